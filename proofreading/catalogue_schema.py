"""The tables of the catalogue."""

from __future__ import annotations

import sqlite3

from proofreading.ledger.database import schema_version, set_schema_version, transaction
from proofreading.sites import SiteKind
from proofreading.verdicts import Task

__all__ = [
    "PAIR_TASKS",
    "SCHEMA_VERSION",
    "create",
    "drop_version_1",
    "kinds_for",
    "main_task",
    "set_aside_version_1",
]

SCHEMA_VERSION = 2

_MAIN_TASK: dict[SiteKind, Task] = {
    SiteKind.ENDPOINT: Task.SPLIT_ERROR_CORRECTION,
    SiteKind.CONTACT: Task.SPLIT_ERROR_CORRECTION,
    SiteKind.JUNCTION: Task.MERGE_ERROR_IDENTIFICATION,
    SiteKind.BOTTLENECK: Task.MERGE_ERROR_IDENTIFICATION,
}
"""The question whose probability stands for a site of each kind."""

PAIR_TASKS = frozenset({Task.SPLIT_ERROR_CORRECTION, Task.PARTNER_CHOICE})
"""Questions about a pair: they need a site with at least one partner."""

_MERGE_TASKS = frozenset(
    {Task.MERGE_ERROR_IDENTIFICATION, Task.SPLIT_ACTION_EVALUATION, Task.SPLIT_PROPOSAL}
)

# `sites.key` is the id as SQLite's integers, which are signed; sites are found by it without an
# index here (`catalogue_numbers`). Ids of segments are TEXT. Other tables name a site by its
# number, so that what is written together lies together. `runs` and `scores` hold columns for
# readers of everything (`site_columns`, `catalogue_scores`); `failures` holds open failures
# only; `newest` one row for each question with a verdict.
_TABLES = (
    "CREATE TABLE sites (number INTEGER PRIMARY KEY, key INTEGER NOT NULL,"
    " kind TEXT NOT NULL, partners INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX sites_by_kind ON sites (kind, number)",
    "CREATE TABLE runs (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, packed BLOB NOT NULL)",
    "CREATE TABLE verdicts (number INTEGER PRIMARY KEY, site INTEGER NOT NULL,"
    " task TEXT NOT NULL, partner TEXT NOT NULL, model_id TEXT NOT NULL,"
    " made_at TEXT NOT NULL, body TEXT NOT NULL,"
    " UNIQUE (site, task, partner, model_id, made_at))",
    "CREATE TABLE failures (site INTEGER NOT NULL, task TEXT NOT NULL, partner TEXT NOT NULL,"
    " made_at TEXT NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (site, task, partner)) WITHOUT ROWID",
    "CREATE TABLE newest (site INTEGER NOT NULL, task TEXT NOT NULL, partner TEXT NOT NULL,"
    " made_at TEXT NOT NULL, probability REAL NOT NULL, verdict INTEGER NOT NULL,"
    " distance REAL, spread REAL, model INTEGER NOT NULL,"
    " PRIMARY KEY (site, task, partner)) WITHOUT ROWID",
    "CREATE TABLE scores (block INTEGER PRIMARY KEY, change INTEGER NOT NULL,"
    " packed BLOB NOT NULL)",
    "CREATE INDEX scores_by_change ON scores (change)",
    "CREATE TABLE models (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    "CREATE TABLE taken (name TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)
_TABLES_1 = ("sites", "verdicts", "failures", "newest", "scores", "counters")
_INDICES_1 = ("sites_by_kind", "scores_by_change")


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new catalogue."""
    with transaction(connection):
        if schema_version(connection):
            return  # another process was faster
        for statement in _TABLES:
            connection.execute(statement)
        set_schema_version(connection, SCHEMA_VERSION)


def set_aside_version_1(connection: sqlite3.Connection) -> None:
    """Give the tables of the first version other names and make those of now beside them.

    The caller holds a transaction, copies what it needs, and calls `drop_version_1`.
    """
    for index in _INDICES_1:
        connection.execute(f"DROP INDEX {index}")
    for table in _TABLES_1:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    for statement in _TABLES:
        connection.execute(statement)
    set_schema_version(connection, SCHEMA_VERSION)


def drop_version_1(connection: sqlite3.Connection) -> None:
    """Remove what `set_aside_version_1` has set aside."""
    for table in _TABLES_1:
        connection.execute(f"DROP TABLE {table}_1")


def main_task(kind: SiteKind, partners: int) -> Task:
    """Return the question whose answer stands for a site.

    A tip without a partner can only be asked whether it ends.
    """
    if kind is SiteKind.ENDPOINT and partners == 0:
        return Task.SPLIT_ERROR_IDENTIFICATION
    return _MAIN_TASK[kind]


def kinds_for(task: Task) -> tuple[SiteKind, ...]:
    """Return the kinds of site that a task can be asked of."""
    if task in PAIR_TASKS:
        return (SiteKind.ENDPOINT, SiteKind.CONTACT)
    if task in (Task.SPLIT_ERROR_IDENTIFICATION, Task.ENDPOINT_LOCALIZATION):
        return (SiteKind.ENDPOINT,)
    if task in _MERGE_TASKS:
        return (SiteKind.JUNCTION, SiteKind.BOTTLENECK)
    return tuple(SiteKind)
