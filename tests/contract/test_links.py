"""Links to a site: as a file, and on the state service of a CAVE server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.services.links import follow_link, is_link, share_site
from app.services.opening import session_for
from connectome.cave.views import CaveViews
from connectome.errors import AuthError, InputError, NotFoundError
from connectome.offline.service import RunningService
from proofreading.session import Session
from proofreading.sites import Site
from tests.contract.volumes import NAME
from tests.unit.ledger.build import a_site


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing touch the person's own sessions and tokens."""
    monkeypatch.setenv("PROOFDESK_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def _site() -> Site:
    return replace(a_site(7), datastack=NAME)


def _session(folder: Path, address: str) -> Path:
    with Session.open(folder, datastack_name=NAME, datastack_address=address) as session:
        session.catalogue.add_sites([_site()])
    return folder


def _current(folder: Path) -> tuple[Site | None, str | None]:
    with Session.open(folder, create=False, read_only=True) as session:
        return session.catalogue.site(_site().id), session.ledger.state.cursor


def test_a_file_opens_at_the_site_in_a_session_that_never_saw_it(tmp_path: Path) -> None:
    place = tmp_path / "stack"
    place.mkdir()
    folder = _session(tmp_path / "mine.proofdesk", str(place))
    made = share_site(folder, _site().id, out=tmp_path / "look.proofdesk-link", server=False)
    assert is_link(made.link)
    opened = follow_link(made.link, tmp_path / "yours.proofdesk")
    assert (opened.session, opened.address) == (tmp_path / "yours.proofdesk", str(place))
    assert _current(opened.session) == (_site(), _site().id)
    # Followed again, it is the same site once, and the session keeps what it has.
    follow_link(made.link, tmp_path / "yours.proofdesk")
    with Session.open(opened.session, create=False, read_only=True) as session:
        assert session.catalogue.counts().sites == 1


def test_a_copy_elsewhere_is_found_by_its_session(tmp_path: Path) -> None:
    folder = _session(tmp_path / "mine.proofdesk", "/gone/away")
    made = share_site(folder, _site().id, out=tmp_path / "a.proofdesk-link", server=False)
    with pytest.raises(InputError, match="not on this machine"):
        follow_link(made.link)
    copy = tmp_path / "copy"
    copy.mkdir()
    yours = _session(tmp_path / "yours.proofdesk", str(copy))
    assert follow_link(made.link, yours).address == str(copy)


def test_a_view_on_the_server_opens_at_the_site_and_in_neuroglancer(
    service: RunningService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text(json.dumps({"token": service.token}))
    address = f"cave:{NAME}@{service.url}"
    folder = _session(tmp_path / "mine.proofdesk", address)
    made = share_site(folder, _site().id, out=None, server=True)
    view = CaveViews(service.url).read(made.link)
    assert view["layers"][1]["segments"] == [str(_site().root), str(_site().partners[0].root)]
    assert view["position"] == pytest.approx([7 * 1.5 / 8, 2 / 8, 3 / 16])
    assert service.token not in json.dumps(view)
    assert str(_site().supervoxel) in json.dumps(view["proofdesk"])
    opened = follow_link(made.link)
    assert opened.session == session_for(address)
    assert _current(opened.session) == (_site(), _site().id)
    with pytest.raises(NotFoundError):
        follow_link(f"{service.url}/nglstate/api/v1/999")


def _other_version(shared: dict[str, object]) -> None:
    shared["schema_version"] = 99


def _other_datastack(shared: dict[str, object]) -> None:
    shared["datastack_name"] = "another"


def _no_site(shared: dict[str, object]) -> None:
    del shared["site"]


@pytest.mark.parametrize("harm", [_other_version, _other_datastack, _no_site])
def test_a_link_that_is_not_whole_is_refused(
    tmp_path: Path, harm: Callable[[dict[str, object]], None]
) -> None:
    folder = _session(tmp_path / "mine.proofdesk", str(tmp_path))
    path = tmp_path / "a.proofdesk-link"
    share_site(folder, _site().id, out=path, server=False)
    plain = json.loads(path.read_text())
    harm(plain["proofdesk"])
    path.write_text(json.dumps(plain))
    with pytest.raises(InputError):
        follow_link(str(path), tmp_path / "yours.proofdesk")
    assert not (tmp_path / "yours.proofdesk").exists()


def test_a_view_may_not_lead_to_another_server(service: RunningService, tmp_path: Path) -> None:
    secrets = tmp_path / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text(json.dumps({"token": service.token}))
    folder = _session(tmp_path / "mine.proofdesk", "cave:x@https://elsewhere.example")
    file = share_site(folder, _site().id, out=tmp_path / "a.proofdesk-link", server=False)
    link = CaveViews(service.url).keep(json.loads(Path(file.link).read_text()))
    with pytest.raises(InputError, match="leads to cave:x"):
        follow_link(link)
    with pytest.raises(InputError, match="holds no site"):
        follow_link(CaveViews(service.url).keep({"layers": []}))


def test_no_token_is_sent_where_none_is_kept() -> None:
    with pytest.raises(AuthError, match="no CAVE token"):
        follow_link("https://elsewhere.example/nglstate/api/v1/5")
    with pytest.raises(InputError, match="no link"):
        follow_link("https://elsewhere.example/nglstate/api/v1/five")


def test_the_command(tmp_path: Path) -> None:
    folder = _session(tmp_path / "mine.proofdesk", str(tmp_path))
    out = tmp_path / "links" / "a.proofdesk-link"
    run = CliRunner()
    made = run.invoke(app, ["link", str(folder), _site().id, "--out", str(out), "--json"])
    assert json.loads(made.stdout)["link"] == str(out)
    for wrong in (["0" * 16], [_site().id, "--server"]):
        assert isinstance(run.invoke(app, ["link", str(folder), *wrong]).exception, InputError)
