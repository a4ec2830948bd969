"""Catalogues of the first version: their sites and verdicts, entered into the tables of now."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from proofreading.catalogue_numbers import SiteNumbers
from proofreading.catalogue_schema import (
    SCHEMA_VERSION,
    drop_version_1,
    set_aside_version_1,
)
from proofreading.catalogue_writing import insert_results, insert_sites
from proofreading.ledger.codec import from_plain
from proofreading.ledger.database import schema_version, transaction
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["take_over"]

_BATCH = 1000

T = TypeVar("T")


def take_over(db: sqlite3.Connection) -> None:
    """Bring a catalogue of the first version up to date, wholly or not at all."""
    with transaction(db):
        if schema_version(db) == SCHEMA_VERSION:
            return  # another process was faster
        set_aside_version_1(db)
        numbers = SiteNumbers()
        for sites in _batches(db, Site, "sites_1 ORDER BY number"):
            insert_sites(db, numbers, sites)
        for verdicts in _batches(db, Verdict, "verdicts_1 ORDER BY number"):
            insert_results(db, numbers, verdicts)
        for failures in _batches(db, FailedVerdict, "failures_1"):
            insert_results(db, numbers, failures)
        drop_version_1(db)


def _batches(db: sqlite3.Connection, kind: type[T], source: str) -> Iterator[list[T]]:
    rows: Iterator[tuple[Any, ...]] = db.execute(f"SELECT body FROM {source}")
    while batch := [from_plain(kind, json.loads(body)) for (body,) in islice(rows, _BATCH)]:
        yield batch
