"""Values in others' JSON: ids that may be numbers or strings, points, times, people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectome.space import PointNm

__all__ = [
    "OUTLIER_NM",
    "id_of",
    "ids_of",
    "is_outlier",
    "json_id",
    "point_of",
    "points_of",
    "seconds_of",
    "time_of",
    "without_people",
]

OUTLIER_NM = 1e9
"""No tissue is a metre long: a coordinate beyond is a mistake of the file."""
_EXACT = 2**53
_PEOPLE = frozenset({"user_id", "user", "user_name", "user_email", "user_affiliation"})
_YEAR_2100 = 4_102_444_800


def id_of(value: object) -> int:
    """Return an id, of whatever type it was written as.

    Raises
    ------
    ValueError
        If it is none, or a fractional number beyond 2^53: that has lost its last digits.
    """
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{value!r} is no id"
        raise ValueError(msg)
    if isinstance(value, float) and (not value.is_integer() or abs(value) > _EXACT):
        msg = f"{value!r} is no whole id"
        raise ValueError(msg)
    return int(value)


def ids_of(value: object) -> tuple[int, ...]:
    """Return ids from a list, a single id or nothing; raises ValueError as `id_of`."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(id_of(one) for one in value)
    return (id_of(value),)


def json_id(value: int) -> int | str:
    """Return an id as JSON keeps it: a string where a double would lose its digits."""
    return value if abs(value) <= _EXACT else str(value)


def point_of(value: object) -> PointNm:
    """Return a position; raises ValueError if it is not three finite numbers."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        msg = f"{value!r} is no position"
        raise ValueError(msg)
    try:
        x, y, z = (float(one) for one in value)
    except TypeError as error:
        msg = f"{value!r} is no position"
        raise ValueError(msg) from error
    if not all(map(math.isfinite, (x, y, z))):
        msg = f"{value!r} is no finite position"
        raise ValueError(msg)
    return (x, y, z)


def points_of(value: object) -> tuple[PointNm, ...]:
    """Return positions from a list of them, a single one or nothing."""
    if value is None or (isinstance(value, list | tuple) and not value):
        return ()
    if isinstance(value, list | tuple) and isinstance(value[0], Sequence):
        return tuple(point_of(one) for one in value)
    return (point_of(value),)


def is_outlier(point: Iterable[float]) -> bool:
    """Tell whether a position lies beyond any tissue."""
    return max(abs(value) for value in point) > OUTLIER_NM


def time_of(value: object) -> datetime | None:
    """Return a time (UTC) from seconds or milliseconds since 1970 or ISO 8601.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        msg = f"{value!r} is no time"
        raise ValueError(msg)
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    seconds = value / 1000 if value > _YEAR_2100 else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        msg = f"{value!r} is no time"
        raise ValueError(msg) from error


def seconds_of(time: datetime | None) -> int | None:
    """Return whole seconds since 1970, as the published files have it."""
    return None if time is None else math.floor(time.timestamp())


def without_people(value: Any) -> Any:
    """Return JSON content without whatever says who did it, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_people(one) for key, one in value.items() if key not in _PEOPLE}
    if isinstance(value, list):
        return [without_people(one) for one in value]
    return value
