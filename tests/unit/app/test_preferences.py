"""Preferences: kept whole, checked, and of a known version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.services.actions import ACTIONS
from app.services.preferences import (
    KeyPair,
    Preferences,
    PreferencesStore,
    bound_keys,
    upgraded,
)
from connectome.errors import InputError, StorageError


def test_nothing_chosen_is_the_defaults(tmp_path: Path) -> None:
    found = PreferencesStore(tmp_path / "settings.json").read()
    assert found == Preferences()
    keys = bound_keys(found)
    assert all(keys[action.left] == action.name for action in ACTIONS)


def test_what_is_chosen_is_kept(tmp_path: Path) -> None:
    store = PreferencesStore(tmp_path / "deep" / "settings.json")
    store.change(appearance="light", hide_below=0.1)
    store.change(slots={"brain_region": "medulla"})
    found = PreferencesStore(store.path).read()
    assert (found.appearance, found.hide_below) == ("light", 0.1)
    assert found.slots == {"brain_region": "medulla"}
    assert [each.name for each in store.path.parent.iterdir()] == ["settings.json"]


def test_a_key_belongs_to_one_action() -> None:
    moved = Preferences().changed(keys={"accept": KeyPair(left="Q")})
    keys = bound_keys(moved)
    assert keys["Q"] == "accept"
    assert "F" not in keys
    assert "J" not in keys
    with pytest.raises(InputError, match="D is bound to both accept and reject"):
        Preferences().changed(keys={"accept": KeyPair(left="D")})
    # A key that its action gave up is free for another.
    assert (
        bound_keys(moved.changed(keys={**moved.keys, "reject": KeyPair(left="F")}))["F"] == "reject"
    )


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(InputError, match="no action fly"):
        Preferences().changed(keys={"fly": KeyPair(left="Q")})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "no schema_version"),
        ('{"schema_version": 99}', "newer Proofdesk"),
        ('{"schema_version": 0}', "version 0, which is not known"),
        ('{"schema_version": 1, "hide_below": 7}', "hide_below"),
        ('{"schema_version": 1, "unheard": 1}', "unheard"),
    ],
)
def test_a_bad_file_is_said_and_left_alone(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        PreferencesStore(path).change(appearance="light")
    assert caught.value.hint
    assert path.read_text() == text


def test_older_values_are_brought_up_step_by_step() -> None:
    steps = {
        1: lambda old: {"appearance": old["theme"]},
        2: lambda old: {**old, "hide_below": 0.5},
    }
    found = upgraded({"schema_version": 1, "theme": "light"}, 1, 3, steps)
    assert found == {"schema_version": 3, "appearance": "light", "hide_below": 0.5}


def test_recent_sessions_the_newest_first(tmp_path: Path) -> None:
    found = Preferences()
    for name in ("a", "b", "a"):
        found = found.opened(tmp_path / f"{name}.proofdesk")
    assert [Path(each).stem for each in found.recent] == ["a", "b"]
    for number in range(20):
        found = found.opened(tmp_path / f"{number}.proofdesk")
    assert len(found.recent) == 10


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    store = PreferencesStore(tmp_path / "plain" / "settings.json")
    with pytest.raises((StorageError, InputError)) as caught:
        store.change(appearance="light")
    assert caught.value.hint


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    store = PreferencesStore(tmp_path / "settings.json")
    store.write(Preferences())
    assert json.loads(store.path.read_text())["schema_version"] == 1
