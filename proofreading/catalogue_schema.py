"""The tables of the catalogue."""

from __future__ import annotations

import sqlite3

from proofreading.ledger.database import schema_version, set_schema_version, transaction
from proofreading.sites import SiteKind
from proofreading.verdicts import Task

__all__ = ["PAIR_TASKS", "SCHEMA_VERSION", "create", "kinds_for", "main_task"]

SCHEMA_VERSION = 1

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

# Ids of segments are TEXT: SQLite's integers are signed, and ids use all 64 bits.
# `failures` holds open failures only; `newest` one row for each question with a verdict;
# `scores` one row for each site, with a change number that streaming follows.
_TABLES = (
    "CREATE TABLE sites (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " kind TEXT NOT NULL, partners INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX sites_by_kind ON sites (kind, number)",
    "CREATE TABLE verdicts (number INTEGER PRIMARY KEY, site_id TEXT NOT NULL,"
    " task TEXT NOT NULL, partner TEXT NOT NULL, model_id TEXT NOT NULL,"
    " made_at TEXT NOT NULL, body TEXT NOT NULL,"
    " UNIQUE (site_id, task, partner, model_id, made_at))",
    "CREATE TABLE failures (site_id TEXT NOT NULL, task TEXT NOT NULL, partner TEXT NOT NULL,"
    " made_at TEXT NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY (site_id, task, partner)) WITHOUT ROWID",
    "CREATE TABLE newest (site_id TEXT NOT NULL, task TEXT NOT NULL, partner TEXT NOT NULL,"
    " made_at TEXT NOT NULL, probability REAL NOT NULL, verdict INTEGER NOT NULL,"
    " PRIMARY KEY (site_id, task, partner)) WITHOUT ROWID",
    "CREATE TABLE scores (site_id TEXT PRIMARY KEY, change INTEGER NOT NULL, probability REAL,"
    " partner TEXT, verdict INTEGER, failed INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE UNIQUE INDEX scores_by_change ON scores (change)",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new catalogue."""
    with transaction(connection):
        if schema_version(connection):
            return  # another process was faster
        for statement in _TABLES:
            connection.execute(statement)
        set_schema_version(connection, SCHEMA_VERSION)


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
