"""What a person prefers, in one file with a version: appearance, keys, what the queue hides.

A file of an older version is brought up to date and the old one kept beside it; a file of a
newer program, or one that cannot be read, is left alone and said so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.services.actions import ACTIONS
from app.services.through import QueueOrder
from connectome.errors import InputError
from proofreading.files import storage_errors, write_atomically

__all__ = [
    "SCHEMA_VERSION",
    "KeyPair",
    "Preferences",
    "PreferencesStore",
    "bound_keys",
    "keys_of",
    "upgraded",
]

SCHEMA_VERSION: Literal[1] = 1

_Old = dict[str, Any]
_STEPS: dict[int, Callable[[_Old], _Old]] = {}
"""From each older version to the next."""

_KNOWN = {action.name: action for action in ACTIONS}


class KeyPair(BaseModel):
    """The keys of one action, in Qt's notation; either may be empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: str = Field(default="", max_length=40)
    right: str = Field(default="", max_length=40)


class Preferences(BaseModel):
    """What a person has chosen; everything has a default.

    Parameters
    ----------
    appearance : str
        ``dark`` or ``light``; people compare with microscopy, so dark.
    keys : dict
        Actions by name whose keys differ from the defaults.
    hide_below : float
        Sites that are less probable than this are not shown, 0 to 1.
    accepted_error : float
        The share of wrong automatic decisions that is acceptable, 0 to 1.
    slots : dict
        Words for the language model's prompts, by slot.
    models : tuple of str
        Ids or folders of the judges to use instead of the bundled ones.
    suggest_breaks : bool
        Whether a break is suggested once, near 300 decisions.
    second_look : bool
        Whether an answer that a sure judge contradicts has to be given twice.
    lane, order : str
        What the queue looks through, and in which order: a `Lane` (empty for all) and a
        `QueueOrder`.
    tour_done : bool
        Whether the tour of the first start was seen.
    recent : tuple of str
        Session folders, the newest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    appearance: Literal["dark", "light"] = "dark"
    keys: dict[str, KeyPair] = Field(default_factory=dict)
    hide_below: float = Field(default=0.02, ge=0, le=1)
    accepted_error: float = Field(default=0.01, gt=0, lt=1)
    slots: dict[str, str] = Field(default_factory=dict)
    models: tuple[str, ...] = ()
    suggest_breaks: bool = True
    second_look: bool = True
    lane: Literal["", "automatic", "quick", "full"] = ""
    order: QueueOrder = QueueOrder.PROBABILITY
    tour_done: bool = False
    recent: tuple[str, ...] = ()

    @field_validator("keys")
    @classmethod
    def _only_known_actions_and_one_action_a_key(
        cls, keys: dict[str, KeyPair]
    ) -> dict[str, KeyPair]:
        unknown = sorted(set(keys) - set(_KNOWN))
        if unknown:
            raise ValueError(f"there is no action {unknown[0]}")
        taken: dict[str, str] = {}
        for name in _KNOWN:
            for key in _keys_of(name, keys):
                if key in taken:
                    raise ValueError(f"{key} is bound to both {taken[key]} and {name}")
                taken[key] = name
        return keys

    def opened(self, session: Path, most: int = 10) -> Preferences:
        """Return these with a session at the head of the recent ones."""
        path = str(session.absolute())
        others = tuple(each for each in self.recent if each != path)
        return self.model_copy(update={"recent": (path, *others)[:most]})

    def changed(self, **values: object) -> Preferences:
        """Return these with some values changed.

        Raises
        ------
        InputError
            If a value is not allowed, or a key would belong to two actions.
        """
        return _checked({**self.model_dump(), **values})


def bound_keys(preferences: Preferences) -> dict[str, str]:
    """Return the action for every key, in Qt's notation."""
    return {key: name for name in _KNOWN for key in _keys_of(name, preferences.keys)}


def keys_of(name: str, preferences: Preferences) -> KeyPair:
    """Return the keys of an action: the chosen ones, or those it has by default."""
    return _pair(name, preferences.keys)


def upgraded(
    values: _Old, version: int, wanted: int, steps: Mapping[int, Callable[[_Old], _Old]]
) -> _Old:
    """Return values of an older version as those of the wanted one, step by step.

    Raises
    ------
    InputError
        If no step leads on from a version.
    """
    for step in range(version, wanted):
        if step not in steps:
            raise InputError(
                f"These settings are of version {version}, which is not known.",
                "Move the file away to begin with the defaults.",
            )
        values = {**steps[step](values), "schema_version": step + 1}
    return values


def _keys_of(name: str, keys: Mapping[str, KeyPair]) -> tuple[str, ...]:
    pair = _pair(name, keys)
    return tuple(key for key in dict.fromkeys((pair.left, pair.right)) if key)


def _pair(name: str, keys: Mapping[str, KeyPair]) -> KeyPair:
    action = _KNOWN[name]
    return keys.get(name, KeyPair(left=action.left, right=action.right))


class PreferencesStore:
    """The file of one person's preferences.

    Parameters
    ----------
    path : Path, optional
        By default ``settings.json`` in the person's configuration folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_config_path("proofdesk", appauthor=False) / "settings.json"

    def read(self) -> Preferences:
        """Return what is chosen; the defaults where there is no file.

        Raises
        ------
        InputError
            If the file cannot be read, or is of a newer program. It is left as it is.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Preferences()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self.path, str(error)) from error
        return self._from(text)

    def _from(self, text: str) -> Preferences:
        try:
            values = json.loads(text)
        except ValueError as error:
            raise _unreadable(self.path, str(error)) from error
        version = values.get("schema_version") if isinstance(values, dict) else None
        if not isinstance(version, int) or version < 0:
            raise _unreadable(self.path, "it has no schema_version")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"The settings in {self.path} were written by a newer Proofdesk.",
                "Update Proofdesk, or move the file away to begin with the defaults.",
            )
        if version < SCHEMA_VERSION:
            write_atomically(self.path.with_suffix(f".v{version}.json"), text)
        return _checked(upgraded(values, version, SCHEMA_VERSION, _STEPS), self.path)

    def write(self, preferences: Preferences) -> None:
        """Keep what is chosen, whole or not at all.

        Raises
        ------
        StorageError
            If it cannot be written; what was kept before stays.
        """
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, preferences.model_dump_json(indent=2) + "\n")

    def change(self, **values: object) -> Preferences:
        """Read, change some values, write, and return the result.

        Raises
        ------
        InputError, StorageError
            As `read` and `write`, or if a value is not allowed.
        """
        changed = _checked({**self.read().model_dump(), **values}, self.path)
        self.write(changed)
        return changed


def _checked(values: _Old, path: Path | None = None) -> Preferences:
    try:
        return Preferences.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        place = f"The settings in {path}" if path else "These settings"
        raise InputError(
            f"{place} are not valid: {where}: {first['msg'].removeprefix('Value error, ')}.",
            "Correct that value, or move the file away to begin with the defaults.",
        ) from error


def _unreadable(path: Path, why: str) -> InputError:
    return InputError(
        f"The settings in {path} cannot be read: {why}.",
        "Correct the file, or move it away to begin with the defaults.",
    )
