"""A session folder: whose it is, who writes to it, and what is said when it cannot be opened."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectome.errors import SessionError, StorageError
from proofreading.files import create_atomically, write_atomically
from proofreading.ledger.events import CursorMoved, SessionStarted
from proofreading.session import Session, read_info
from tests.unit.ledger.build import a_site

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from pathlib import Path
from proofreading.session import Session
session = Session.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "monday.proofdesk"


def made(folder: Path) -> Session:
    return Session.open(folder, datastack_name="offline_a", datastack_address="/data/a")


def change_info(folder: Path, **values: object) -> None:
    path = folder / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_session_is_made_and_opened_again(folder: Path) -> None:
    with made(folder) as session:
        first = session.info
        session.ledger.append(CursorMoved("here"))
        session.catalogue.add_sites([a_site(1)])
        assert session.exports.is_dir()
        assert session.artifacts.is_dir()
        assert session.name == "monday"
    with Session.open(folder) as session:
        assert session.info == first == read_info(folder)
        assert session.ledger.state.cursor == "here"
        assert session.catalogue.site(a_site(1).id) == a_site(1)
        started = [e for e in session.ledger.events() if isinstance(e.event, SessionStarted)]
        assert len(started) == 2
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "catalogue.sqlite",
        "ledger.sqlite",
        "owner.lock",
        "session.json",
    ]


def test_another_datastack_is_refused(folder: Path) -> None:
    made(folder).close()
    with pytest.raises(SessionError, match=r"belongs to the datastack offline_a .* not to b"):
        Session.open(folder, datastack_name="b", datastack_address="/data/a")
    with pytest.raises(SessionError, match="belongs to"):
        Session.open(
            folder, datastack_name="offline_a", datastack_address="cave:offline_a@http://x"
        )


def test_the_same_name_on_another_server_is_another_datastack(folder: Path) -> None:
    Session.open(folder, datastack_name="n", datastack_address="cave:n@https://one").close()
    with pytest.raises(SessionError, match="belongs to"):
        Session.open(folder, datastack_name="n", datastack_address="cave:n@https://two")
    with pytest.raises(SessionError, match="belongs to"):
        Session.open(folder, datastack_name="n", datastack_address="/data/n")


def test_a_moved_datastack_folder_is_followed(folder: Path) -> None:
    made(folder).close()
    with Session.open(folder, datastack_name="offline_a", datastack_address="/new/a") as session:
        assert session.info.datastack_address == "/new/a"
    assert read_info(folder).datastack_address == "/new/a"


def test_a_newer_session_opens_only_for_reading(folder: Path) -> None:
    made(folder).close()
    change_info(folder, schema_version=99, dreams=["new"])
    with pytest.raises(SessionError, match="newer Proofdesk") as caught:
        Session.open(folder)
    assert "read-only" in caught.value.hint
    with (
        Session.open(folder, read_only=True) as session,
        pytest.raises(SessionError, match="reading only"),
    ):
        session.ledger.append(CursorMoved("x"))


def test_other_folders_and_files_are_no_sessions(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(SessionError, match="There is no session"):
        Session.open(folder)
    with pytest.raises(SessionError, match="There is no session"):
        Session.open(folder, datastack_name="a", datastack_address="/a", create=False)
    assert not folder.exists()
    (tmp_path / "photo.jpg").write_text("x")
    for strange in (tmp_path, tmp_path / "photo.jpg"):
        with pytest.raises(SessionError, match="not a Proofdesk session"):
            made(strange)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}', '"text"', "\x00"])
def test_a_damaged_description_is_a_sentence(folder: Path, text: str) -> None:
    made(folder).close()
    (folder / "session.json").write_text(text)
    with pytest.raises(SessionError, match=r"damaged|cannot be read"):
        Session.open(folder)


def test_a_creation_that_broke_off_is_taken_up(folder: Path) -> None:
    folder.mkdir()
    (folder / ".session.json.abc.part").write_text("{")
    (folder / "owner.lock").touch()
    made(folder).close()
    assert read_info(folder).datastack_name == "offline_a"


def test_only_one_window_writes(folder: Path) -> None:
    with made(folder):
        with pytest.raises(SessionError, match=rf"open already: .*process {os.getpid()}"):
            Session.open(folder)
        Session.open(folder, read_only=True).close()
        with Session.open(folder, role="worker") as worker:
            assert worker.catalogue.add_sites([a_site(1)]) == [a_site(1).id]
            with pytest.raises(SessionError, match="reading only"):
                worker.ledger.append(CursorMoved("x"))
    Session.open(folder).close()


def test_a_worker_may_make_the_session(folder: Path) -> None:
    with Session.open(folder, datastack_name="a", datastack_address="/a", role="worker") as worker:
        assert worker.ledger.state.last_number == 0
    Session.open(folder, datastack_name="a", datastack_address="/a").close()


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    made(folder).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_killed_window_leaves_no_stale_lock(folder: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(SessionError, match=rf"process {holder.pid}, since") as caught:
        Session.open(folder)
    assert "read-only" in caught.value.hint
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    assert str(holder.pid) in (folder / "owner.lock").read_text()
    Session.open(folder).close()


@pytest.fixture
def unwritable() -> Iterator[Path]:
    """A session in a folder that this user cannot write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "s.proofdesk"
        made(folder).close()
        for path in [folder, *folder.iterdir()]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        Path(name).chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_read_only_folder(unwritable: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        Session.open(unwritable)
    with pytest.raises(StorageError, match="cannot be"):
        Session.open(unwritable, role="worker").catalogue.add_sites([a_site(1)])
    with pytest.raises(StorageError, match="cannot be written"):
        made(unwritable.parent / "new.proofdesk")
    with Session.open(unwritable, read_only=True) as session:
        assert session.ledger.state.last_number == 1


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk.

    As short as can be: the test runner and other threads write files, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_when_a_session_is_made(folder: Path) -> None:
    with pytest.raises(StorageError, match="disk is full"), full_disk():
        made(folder)
    assert list(folder.iterdir()) == []


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(StorageError, match="disk is full"), full_disk():
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_create_does_not_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert create_atomically(path, "one")
    assert not create_atomically(path, "two")
    assert path.read_text() == "one"
