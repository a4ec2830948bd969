"""Evidence: kept as a site is decided, bundled later, and proof against changes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.services.evidence import PictureKeeper, write_evidence
from connectome.errors import InputError
from proofreading.edits import VerdictRow
from proofreading.evidence import bundle_of, check_bundle
from proofreading.ledger.events import RowIntended, RowSettled
from proofreading.session import Session
from rendering.picture import Picture, PictureState, failed_picture, png_bytes
from rendering.pictures import SitePictures
from tests.unit.ledger.build import a_verdict
from tests.unit.proofreading.played import played


def _pictures() -> SitePictures:
    rgb = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    gone = failed_picture("top", 4.0, PictureState.NO_IMAGERY, "There is no imagery.")
    return SitePictures(
        {"front": Picture(rgb, "front", 4.0), "top": gone}, {"xy": Picture(rgb, "xy", 8.0)}
    )


def _quiet(_label: str, _fraction: float | None) -> None:
    return


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return played(tmp_path / "monday.proofdesk", sites=60, answers=30)


def _first(session: Session) -> str:
    record = session.ledger.state.edits()[0]
    with PictureKeeper(session.folder) as keeper:
        keeper.keep(record.edit.decision_id, _pictures())
    return record.edit.id


def _opened(files: dict[str, bytes], name: str) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(files[name])
    return opened


def test_a_bundle_holds_what_led_to_the_edit(session: Session) -> None:
    with session:
        edit_id = _first(session)
        record = session.ledger.state.edit(edit_id)
        assert record is not None
        number = int(record.edit.site_id, 16)
        session.catalogue.add_verdicts([a_verdict(number, 0.5, at=10**7)])
        row = VerdictRow(
            edit_id, "proofdesk_merges", "bound_2tag", "yes", ((0.0, 0.0, 0.0),) * 2, "k"
        )
        session.ledger.append_all([RowIntended(row), RowSettled("k", 2**60)])
        files = bundle_of(session, edit_id)
        decision = session.ledger.state.decision(record.edit.site_id)
        assert decision is not None
    edit, site = _opened(files, "edit.json"), _opened(files, "site.json")
    verdicts, pictures = _opened(files, "verdicts.json"), _opened(files, "pictures.json")
    assert edit["operation_id"] == str(record.operation_id)
    assert edit["annotation_rows"][0]["row_id"] == str(2**60)
    assert site["decisions"][-1]["id"] == decision.id
    assert site["person_seconds"] == pytest.approx(decision.elapsed_ms / 1000)
    # What was said after the answer is told, and was not in force.
    assert len(verdicts["verdicts"]) == 2
    in_force = verdicts["verdicts"][verdicts["in_force"]]
    assert in_force["probability"] == decision.probability
    assert in_force["provenance"]["weights_sha256"] == "ab" * 32
    assert verdicts["seen"] == decision.verdict_visible
    assert files["pictures/front.png"] == png_bytes(_pictures().views["front"])
    assert pictures["pictures"]["top"]["reason"] == "There is no imagery."
    assert set(files) >= {"manifest.json", "pictures/xy.png"}


def test_a_bundle_is_the_same_every_time_and_proves_itself(
    session: Session, tmp_path: Path
) -> None:
    with session:
        edit_id = _first(session)
    for out in ("a", "b"):
        for zipped in (False, True):
            write_evidence(
                session.folder, tmp_path / out, edit_id=edit_id, zipped=zipped, report=_quiet
            )
    zips = [(tmp_path / out / f"{edit_id}.zip").read_bytes() for out in ("a", "b")]
    assert zips[0] == zips[1]
    folder = tmp_path / "a" / edit_id
    manifest = json.loads((folder / "manifest.json").read_text())
    for one in manifest["files"]:
        assert hashlib.sha256((folder / one["path"]).read_bytes()).hexdigest() == one["sha256"]
    assert "/nowhere" not in (folder / "manifest.json").read_text()
    for bundle in (folder, tmp_path / "a" / f"{edit_id}.zip"):
        checked = check_bundle(bundle)
        assert checked.intact
        assert checked.edit_id == edit_id
        assert checked.files == len(manifest["files"]) + 1


def _edit(folder: Path) -> None:
    path = folder / "verdicts.json"
    path.write_text(path.read_text().replace("0", "1", 1))


def _add(folder: Path) -> None:
    (folder / "pictures" / "more.png").write_bytes(b"x")


def _remove(folder: Path) -> None:
    (folder / "pictures" / "xy.png").unlink()


def _forge(folder: Path) -> None:
    """Change a file and its hash, but not that of the manifest."""
    _edit(folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for one in manifest["files"]:
        one["sha256"] = hashlib.sha256((folder / one["path"]).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_edit, ("verdicts.json", None, None)),
        (_add, (None, None, "pictures/more.png")),
        (_remove, (None, "pictures/xy.png", None)),
        (_forge, ("manifest.json", None, None)),
    ],
)
def test_a_change_is_found(
    session: Session, tmp_path: Path, harm: Callable[[Path], None], told: tuple[str | None, ...]
) -> None:
    with session:
        edit_id = _first(session)
    write_evidence(session.folder, tmp_path / "o", edit_id=edit_id, zipped=False, report=_quiet)
    harm(tmp_path / "o" / edit_id)
    checked = check_bundle(tmp_path / "o" / edit_id)
    assert not checked.intact
    found = (checked.changed, checked.missing, checked.unlisted)
    assert found == tuple(() if name is None else (name,) for name in told)


def test_every_edit_has_a_bundle_with_or_without_pictures(session: Session, tmp_path: Path) -> None:
    with session:
        _first(session)
        count = len(session.ledger.state.edits())
    summary = write_evidence(
        session.folder, tmp_path / "o", edit_id=None, zipped=True, report=_quiet
    )
    assert (summary.edits, summary.pictures, summary.without_pictures) == (count, 2, count - 1)
    assert all(check_bundle(Path(path)).intact for path in summary.files)


def test_a_damaged_kept_picture_is_told_and_not_passed_on(session: Session) -> None:
    with session:
        edit_id = _first(session)
        for path in (session.folder / "evidence" / "pictures").iterdir():
            path.write_bytes(b"harmed")
        files = bundle_of(session, edit_id)
    assert not [name for name in files if name.startswith("pictures/")]
    assert "lost or damaged" in _opened(files, "pictures.json")["pictures"]["front"]["reason"]


def test_pictures_are_kept_once_however_often_they_were_seen(session: Session) -> None:
    with session, PictureKeeper(session.folder) as keeper:
        for number in range(5):
            keeper.keep(f"decision-{number}", _pictures())
        keeper.keep("decision-9", None)
    kept = session.folder / "evidence"
    assert len(list((kept / "pictures").iterdir())) == 1
    assert len(list((kept / "seen").iterdir())) == 5


def test_a_full_disk_does_not_hold_up_an_answer(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with session:
        (session.folder / "evidence").write_text("in the way")
        with PictureKeeper(session.folder) as keeper:
            keeper.keep("decision-1", _pictures())
    assert "were not kept" in caplog.text
    caplog.clear()


def test_the_commands(session: Session, tmp_path: Path) -> None:
    with session:
        edit_id = _first(session)
    with pytest.raises(InputError, match="no edit nothing"):
        write_evidence(session.folder, tmp_path, edit_id="nothing", zipped=False, report=_quiet)
    run = CliRunner()
    out = str(tmp_path / "o")
    made = run.invoke(
        app, ["evidence", str(session.folder), "--edit", edit_id, "--zip", "--out", out, "--json"]
    )
    path = json.loads(made.stdout)["files"][0]
    assert zipfile.ZipFile(path).namelist()[0].startswith(f"{edit_id}/")
    assert run.invoke(app, ["evidence-check", path]).exit_code == 0
    refused = run.invoke(app, ["evidence", str(session.folder), "--out", out])
    assert isinstance(refused.exception, InputError)
    Path(path).write_bytes(b"no zip")
    with pytest.raises(InputError, match="cannot be read"):
        check_bundle(Path(path))
    with pytest.raises(InputError, match="no evidence bundle"):
        check_bundle(tmp_path / "o" / "..")
