"""Why the annotation store does not do what it is asked.

::

    AnnotationError (InputError)
    ├── TableMissingError       there is no such table
    ├── TableRefusedError       a table cannot be made or changed like that
    ├── RowMissingError         a row, or a row it refers to, does not exist
    ├── RowRefusedError         an id that is taken
    ├── SchemaError             rows that do not fit the table's schema type
    ├── SupersededError         an update of a row that was updated before
    └── TooManyRowsError        more rows than one call may bring
"""

from __future__ import annotations

from collections.abc import Mapping

from connectome.errors import InputError
from connectome.offline.annotations.validation import Violations

__all__ = [
    "AnnotationError",
    "RowMissingError",
    "RowRefusedError",
    "SchemaError",
    "SupersededError",
    "TableMissingError",
    "TableRefusedError",
    "TooManyRowsError",
]


class AnnotationError(InputError):
    """Nothing was written."""


class TableMissingError(AnnotationError):
    """There is no such table."""

    def __init__(self, table: str) -> None:
        super().__init__(f"There is no annotation table {table!r} here.", "Make it first.")


class TableRefusedError(AnnotationError):
    """A table cannot be made or changed like that."""


class RowMissingError(AnnotationError):
    """A row, or a row that it refers to, does not exist."""


class RowRefusedError(AnnotationError):
    """The id of a new row is taken."""


class SchemaError(AnnotationError):
    """Rows do not fit the table's schema type.

    Parameters
    ----------
    schema_type : str
        The table's.
    violations : mapping
        What is wrong, by the place of the row in the call.
    """

    def __init__(self, schema_type: str, violations: Mapping[int, Violations]) -> None:
        self.violations = dict(violations)
        place, found = next(iter(self.violations.items()))
        field, texts = next(iter(found.items()))
        super().__init__(
            f"Annotation {place} does not fit the schema {schema_type!r}: {field}: {texts[0]}",
            "Correct it and send it again.",
        )


class SupersededError(AnnotationError):
    """An update of a row that was updated before."""

    def __init__(self, old: int, new: int) -> None:
        super().__init__(
            f"Annotation with ID {old} has already been superseded by annotation ID {new}, "
            f"update annotation ID {new} instead"
        )


class TooManyRowsError(AnnotationError):
    """More rows than one call may bring."""

    def __init__(self, limit: int, count: int) -> None:
        super().__init__(f"The insertion limit is {limit}, {count} were attempted to be inserted")
