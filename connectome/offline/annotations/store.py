"""Annotation tables of an offline datastack, with the past of every row.

The store behind the annotation service; `rows` is what queries as of a time are made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from connectome.offline.annotations import writing
from connectome.offline.annotations.database import Database, to_stamp
from connectome.offline.annotations.errors import TableMissingError, TableRefusedError
from connectome.offline.annotations.reading import FlatRow, read_rows, where_clause
from connectome.offline.annotations.tables import TableDetails, TableMetadata, check_new_table

__all__ = ["INSERT_LIMIT", "AnnotationStore", "FlatRow"]

INSERT_LIMIT = writing.INSERT_LIMIT


class AnnotationStore:
    """The tables of one datastack; every method may be called from any thread.

    Parameters
    ----------
    path : Path
        ``annotations.sqlite`` beside the graph; made if absent.

    Raises
    ------
    DatastackError
        If the file is something else, or a newer program wrote it.
    """

    def __init__(self, path: Path, database: Database | None = None) -> None:
        self._database = database or Database(path)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def tables(self, at: datetime | None = None) -> list[str]:
        """Return the names of the tables there are, or were at a time, oldest first."""
        if at is None:
            rows = self._database.read(
                "SELECT name FROM catalogue WHERE deleted IS NULL ORDER BY number"
            )
        else:
            rows = self._database.read(
                "SELECT name FROM catalogue WHERE created <= ?1"
                " AND (deleted IS NULL OR deleted > ?1) ORDER BY number",
                (to_stamp(at),),
            )
        return [name for (name,) in rows]

    def metadata(self, table: str, at: datetime | None = None) -> TableMetadata:
        """Return what is known about a table, which must exist (or have existed at a time).

        Raises
        ------
        TableMissingError
            If there is none.
        """
        rows = self._database.read("SELECT * FROM catalogue WHERE name=?", (table,))
        found = [TableMetadata.from_row(row) for row in rows]
        if not found or not _there(found[0], at):
            raise TableMissingError(table)
        return found[0]

    def create_table(self, table: str, schema_type: str, details: TableDetails) -> TableMetadata:
        """Make a table; the name of a deleted one cannot be used again.

        Raises
        ------
        TableRefusedError
            If there is such a table, or nothing can be called, made or referred to like that.
        """
        check_new_table(table, schema_type, details)
        with self._database.transaction() as (via, now):
            if via.execute("SELECT 1 FROM catalogue WHERE name=?", (table,)).fetchone():
                raise TableRefusedError(f"Table {table} already exists")
            target = details.reference_table
            if target is not None and writing.find_table(via, target) is None:
                raise TableRefusedError(f"No table named '{target}' exists.")
            via.execute(
                "INSERT INTO catalogue(name, schema_type, details, created, modified)"
                " VALUES (?,?,?,?,?)",
                (table, schema_type, details.to_json(), now, now),
            )
        return self.metadata(table)

    def update_table(self, table: str, changes: Mapping[str, Any]) -> TableMetadata:
        """Change some of a table's details and return what is known about it then.

        Raises
        ------
        TableMissingError
            If there is none.
        TableRefusedError
            If a change cannot be.
        """
        with self._database.transaction() as (via, now):
            known = writing.require_table(via, table)
            via.execute(
                "UPDATE catalogue SET details=?, modified=? WHERE number=?",
                (known.details.changed(changes).to_json(), now, known.number),
            )
        return self.metadata(table)

    def delete_table(self, table: str) -> None:
        """End a table; what was in it can still be read as of earlier times.

        Raises
        ------
        TableMissingError
            If there is none.
        """
        with self._database.transaction() as (via, now):
            known = writing.require_table(via, table)
            via.execute("UPDATE catalogue SET deleted=? WHERE number=?", (now, known.number))

    def count(self, table: str) -> int:
        """Return how many rows were ever written to a table, as the annotation service counts."""
        number = self.metadata(table).number
        return int(
            self._database.read("SELECT count(*) FROM annotation WHERE number=?", (number,))[0][0]
        )

    def get(self, table: str, ids: Sequence[int]) -> list[FlatRow]:
        """Return rows by their ids, ended ones too, lowest first; unknown ones are absent."""
        known = self.metadata(table)
        condition = "id IN (SELECT value FROM json_each(?))"
        return read_rows(self._database, known, condition, [json.dumps(list(ids))])

    def rows(
        self,
        table: str,
        *,
        at: datetime | None = None,
        where: Mapping[str, object] | None = None,
    ) -> list[FlatRow]:
        """Return the valid rows of a table, now or as they were at a time.

        Parameters
        ----------
        table : str
            The table.
        at : datetime, optional
            A time with its zone; rows made after it, or ended by then, are left out.
        where : mapping, optional
            Columns and the values they must have.

        Returns
        -------
        list of dict
            Each with ``id``, ``created`` and ``deleted`` (UTC; None while it stands),
            ``superceded_id``, ``valid`` and every column of the schema type: positions as
            (x, y, z) in units of the table's voxel resolution, None where a row has nothing.

        Raises
        ------
        TableMissingError
            If there is no such table, or was none at the time.
        TableRefusedError
            If a column is not one of the table's.
        """
        known = self.metadata(table, at)
        condition, values = where_clause(known, at, where or {})
        return read_rows(self._database, known, condition, values)

    def insert(self, table: str, annotations: Sequence[Mapping[str, Any]]) -> list[int]:
        """Write new rows, all or none, and return their ids.

        Raises
        ------
        TooManyRowsError, TableMissingError, SchemaError, RowRefusedError, RowMissingError
            If nothing was written.
        """
        with self._database.transaction() as (via, now):
            return writing.insert(via, now, table, annotations)

    def update(self, table: str, annotations: Sequence[Mapping[str, Any]]) -> dict[int, int]:
        """Replace rows, all or none; each annotation has the ``id`` of the old row.

        What an annotation leaves out stays as it was. Returns the new id of each old one.

        Raises
        ------
        TooManyRowsError, TableMissingError, SchemaError, RowMissingError, SupersededError
            If nothing was written.
        """
        with self._database.transaction() as (via, now):
            return writing.update(via, now, table, annotations)

    def delete(self, table: str, ids: Sequence[int]) -> list[int]:
        """End rows and return the ids of those that exist; ended ones keep their end.

        Raises
        ------
        TableMissingError
            If there is no such table.
        """
        with self._database.transaction() as (via, now):
            return writing.delete(via, now, table, ids)


def _there(table: TableMetadata, at: datetime | None) -> bool:
    if at is None:
        return table.deleted is None
    return table.created <= at and (table.deleted is None or table.deleted > at)
