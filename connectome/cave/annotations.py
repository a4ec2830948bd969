"""Annotation tables on a CAVE server: rows sent once, found again by what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import requests
from caveclient.annotationengine import AnnotationClient

from connectome.cave.client import CaveConnection
from connectome.cave.translate import writing
from connectome.cave.transport import retried
from connectome.errors import EditError, EditRejectedError, EditUnknownError

__all__ = ["CaveAnnotations"]

_NM = (1.0, 1.0, 1.0)
_FLAGS = {
    "return_pyarrow": True,
    "arrow_format": True,
    "merge_reference": False,
    # A row is there at once; which supervoxel lies under it is looked up later.
    "allow_missing_lookups": True,
    "allow_invalid_root_ids": True,
    "direct_sql_pandas": True,
}


class _LeanAnnotationClient(AnnotationClient):  # type: ignore[misc]  # caveclient is untyped
    """caveclient's annotation client on the session that is guarded already."""

    def __init__(self, session: requests.Session, **options: Any) -> None:
        # Stated, so that caveclient does not ask for versions without a time limit; the
        # schemas are needed only for staging, which would send a row more than once.
        super().__init__(api_version=2, max_retries=0, schema_client=object(), **options)
        self.session = session

    def _get_version(self) -> None:
        return None


class CaveAnnotations:
    """The `Annotations` of one datastack on a CAVE server or on the offline service."""

    def __init__(self, connection: CaveConnection) -> None:
        self._connection = connection
        self._server = connection.local_server

    def ensure(self, table: str, schema: str, description: str) -> None:
        """Make the table if it does not exist; positions in it are nanometres.

        Raises
        ------
        EditRejectedError
            If it exists with another schema or other units, or may not be made.
        EditUnknownError
            If it is not there although its making was not refused.
        ServiceError
            If the tables cannot be read.
        """
        if self._exists(table):
            self._check(table, schema)
            return
        failure = self._make(table, schema, description)
        # Making is decided by reading: another program may have made it at this moment.
        if self._exists(table):
            self._check(table, schema)
        elif failure is not None:
            raise failure
        else:
            raise EditUnknownError(
                f"The server {self._server} said that it made the table {table!r}, but it is "
                "not there.",
                "Try again later.",
            )

    def find(self, table: str, column: str, value: str | int) -> list[int]:
        """Return the ids of the valid rows whose column has this value, ascending.

        Asks the materialization service for the rows as of now.

        Raises
        ------
        ServiceError
            If the server cannot be asked for rows by what they say.
        """
        with self._connection.reading(f"the rows of the table {table!r}"):
            rows = retried(lambda: self._query(table, column, value))
            valid = [row for row in rows if row.get(column) == value and row.get("valid", True)]
            return sorted(int(row["id"]) for row in valid)

    def post(self, table: str, row: Mapping[str, object]) -> int:
        """Write one row, sent once, and return its id.

        Raises
        ------
        EditRejectedError
            If it was certainly not written.
        EditUnknownError
            If only `find` can tell.
        """
        with writing(self._server):
            (number,) = self._client.post_annotation(table, [dict(row)])
            return int(number)

    @cached_property
    def _client(self) -> Any:
        return _LeanAnnotationClient(
            self._connection.session,
            server_address=self._server,
            aligned_volume_name=self._connection.volume,
            auth_client=self._connection.auth,
        )

    def _exists(self, table: str) -> bool:
        with self._connection.reading("the list of annotation tables"):
            return table in retried(self._client.get_tables)

    def _check(self, table: str, schema: str) -> None:
        with self._connection.reading(f"the table {table!r}"):
            known = retried(lambda: self._client.get_table_metadata(table))
            kind = str(known.get("schema_type") or known.get("schema"))
            voxel_nm = tuple(float(edge) for edge in known["voxel_resolution"])
        if kind != schema:
            raise EditRejectedError(
                f"The table {table!r} holds rows of the kind {kind!r}, not {schema!r}.",
                "Choose another name for the table.",
            )
        if voxel_nm != _NM:
            raise EditRejectedError(
                f"The table {table!r} counts in voxels of {voxel_nm} nm, not in nanometres.",
                "Choose another name for the table.",
            )

    def _make(self, table: str, schema: str, description: str) -> EditError | None:
        try:
            with writing(self._server):
                self._client.create_table(table, schema, description, list(_NM))
        except EditError as error:
            return error
        return None

    def _query(self, table: str, column: str, value: str | int) -> list[dict[str, Any]]:
        # Not caveclient's live_live_query: it asks as of this machine's clock, and one that is
        # slow would miss a row written just now.
        answer = self._connection.session.post(
            f"{self._server}/materialize/api/v3/datastack/{self._connection.name}/query",
            params={key: str(flag) for key, flag in _FLAGS.items()},
            data=json.dumps(
                {
                    "table": table,
                    "timestamp": self._server_time().strftime("%Y-%m-%dT%H:%M:%S.%f"),
                    "filter_equal_dict": {table: {column: value}},
                }
            ),
            headers={"Content-Type": "application/json"},
        )
        answer.raise_for_status()
        return _rows(answer.content)

    def _server_time(self) -> datetime:
        """Return a time that on the server is now, or up to two seconds ahead."""
        answer = self._connection.session.get(f"{self._server}/materialize/version")
        text = answer.headers.get("date")
        now = datetime.now(UTC)
        # The header has whole seconds, rounded down.
        return parsedate_to_datetime(text) + timedelta(seconds=2) if text else now


def _rows(content: bytes) -> list[dict[str, Any]]:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(content) as reader:
            rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    except pa.ArrowInvalid as error:
        raise ValueError("the answer is no Arrow stream") from error
    return rows
