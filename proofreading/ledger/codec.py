"""Frozen values to JSON and back. Ids become strings: they exceed what JavaScript can count."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from numbers import Integral, Real
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from connectome.errors import SessionError
from proofreading.ledger import events
from proofreading.ledger.events import Event, UnknownEvent

__all__ = ["decode_event", "encode_event", "from_plain", "to_json", "to_plain"]

T = TypeVar("T")

ID_FIELDS = frozenset(
    {
        "root",
        "supervoxel",
        "own_supervoxel",
        "partner_supervoxel",
        "expected_root",
        "expected_roots",
        "new_roots",
        "operation_id",
        "row_id",
    }
)

_KINDS: dict[str, type[Event]] = {
    "session_started": events.SessionStarted,
    "decision_made": events.DecisionMade,
    "decision_withdrawn": events.DecisionWithdrawn,
    "decision_restored": events.DecisionRestored,
    "cursor_moved": events.CursorMoved,
    "note_added": events.NoteAdded,
    "edit_queued": events.EditQueued,
    "edit_changed": events.EditChanged,
    "edit_released": events.EditReleased,
    "undo_submitted": events.UndoSubmitted,
    "row_intended": events.RowIntended,
    "row_settled": events.RowSettled,
    "risk_accepted": events.RiskAccepted,
    "sampling_chosen": events.SamplingChosen,
    "gold_added": events.GoldAdded,
    "second_look_asked": events.SecondLookAsked,
    "site_set_aside": events.SiteSetAside,
}
_AS_THEY_ARE = frozenset({str, float, bool, type(None)})
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_plain(value: Any, *, as_id: bool = False) -> Any:
    """Return a dataclass as dictionaries, lists, strings and numbers ready for JSON.

    NumPy scalars become plain numbers; whole numbers in fields that hold ids become strings.

    Raises
    ------
    TypeError
        If a part cannot be written as JSON.
    """
    kind: type = type(value)
    # First what nearly everything is: abstract numbers take many times as long to tell.
    if kind in _AS_THEY_ARE:
        return value
    if kind is int:
        return str(value) if as_id else value
    if (fields := _fields(kind)) is not None:
        return {name: to_plain(getattr(value, name), as_id=is_id) for name, is_id in fields}
    if isinstance(value, bool | str) and not isinstance(value, Enum):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Integral):
        return str(int(value)) if as_id else int(value)
    if isinstance(value, Real):
        return float(value)
    return _container_to_plain(value, as_id=as_id)


def _container_to_plain(value: Any, *, as_id: bool) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(part, as_id=as_id) for part in value]
    msg = f"{type(value).__name__} cannot be written as JSON"
    raise TypeError(msg)


@cache
def _fields(kind: type) -> tuple[tuple[str, bool], ...] | None:
    """Return the fields of a dataclass, and whether they hold ids; None for other types."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple((field.name, field.name in ID_FIELDS) for field in dataclasses.fields(kind))


def to_json(value: Any) -> str:
    """Return a value as one line of JSON."""
    return _ENCODER.encode(to_plain(value))


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    # Building one takes milliseconds, using it microseconds.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def from_plain(kind: type[T], plain: object) -> T:
    """Build a dataclass from what `to_plain` made.

    Raises
    ------
    SessionError
        If something is missing or of the wrong kind.
    """
    try:
        return _adapter(kind).validate_python(plain)
    except ValidationError as error:
        raise SessionError(
            f"A stored {kind.__name__} cannot be read ({error.error_count()} fields are wrong).",
            "Restore the session from a backup, or open it with the version that wrote it.",
        ) from error


def encode_event(event: Event) -> tuple[str, str]:
    """Return an event's name and its body as JSON."""
    if isinstance(event, UnknownEvent):
        msg = "an event of a newer version cannot be written again"
        raise TypeError(msg)
    return _NAMES[type(event)], to_json(event)


def decode_event(kind: str, body: str, *, newer: bool = False) -> Event:
    """Return the event of a name and a body.

    A name that this version does not know becomes an `UnknownEvent`; so does a body it
    cannot read, if the file is from a ``newer`` version.
    """
    plain = json.loads(body)
    if kind not in _KINDS:
        return UnknownEvent(kind, plain)
    try:
        return from_plain(_KINDS[kind], plain)
    except SessionError:
        if not newer:
            raise
        return UnknownEvent(kind, plain)
