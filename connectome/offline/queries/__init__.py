"""Questions asked of tables: filter, join, select, and write as an Arrow stream.

Tables are small (what one person annotated), so rows are plain dictionaries; only the
answer becomes columns.
"""

from __future__ import annotations

from connectome.offline.queries.arrow import write_arrow
from connectome.offline.queries.model import (
    MAX_ROWS,
    Answer,
    ColumnType,
    Comparison,
    Condition,
    Frame,
    Join,
    Output,
    Query,
    QueryError,
)
from connectome.offline.queries.running import run_query

__all__ = [
    "MAX_ROWS",
    "Answer",
    "ColumnType",
    "Comparison",
    "Condition",
    "Frame",
    "Join",
    "Output",
    "Query",
    "QueryError",
    "run_query",
    "write_arrow",
]
