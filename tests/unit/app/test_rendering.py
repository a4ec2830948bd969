"""The pictures of a session's sites as files, from a real datastack with the real renderer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import cli
from app.services.contact_sheet import ROWS, render_sheet
from app.services.rendering import RenderSummary, render_site
from connectome.errors import InputError, SessionError
from connectome.offline.datastack import OfflineDatastack
from connectome.space import PointNm
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from rendering.geometry import GeometrySpec
from rendering.spec import EMSpec
from tests.contract.volumes import CUT, NAME, ingest_tubes, tube_point
from tests.unit.app.test_deciding import _verdict

pytestmark = pytest.mark.render
NAMES = ("front", "side", "top", "xy", "xz", "yz", "best")
OUTSIDE = (1e6, 0.0, 0.0)


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_tubes(tmp_path_factory.mktemp("rendering") / "tubes")


@pytest.fixture
def datastack(
    tubes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OfflineDatastack]:
    # Keep the clients away from a person's token files.
    monkeypatch.setenv("HOME", str(tmp_path))
    opened = OfflineDatastack(tubes)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, datastack: OfflineDatastack) -> Path:
    folder = tmp_path / "monday.proofdesk"
    Session.open(folder, datastack_name=NAME, datastack_address=str(datastack.address)).close()
    return folder


def cut_tube(datastack: OfflineDatastack, tube: int = 0, at: PointNm | None = None) -> Site:
    """Return the site where a tube is cut, with the other half as its partner."""
    one, two = tube_point(tube, CUT - 2), tube_point(tube, CUT + 1)
    own, other = datastack.supervoxel_at(one), datastack.supervoxel_at(two)
    roots = datastack.graph.roots(np.array([own, other], np.uint64)).tolist()
    partner = Partner(
        roots[1], other, own, at or one, at or two, distance_nm=0.0, contact_area_nm2=1.0,
        direction_agreement=1.0,
    )  # fmt: skip
    return Site(
        id=make_site_id(NAME, SiteKind.ENDPOINT, [own, other], at or one, "test/1"),
        kind=SiteKind.ENDPOINT,
        datastack=NAME,
        root=roots[0],
        supervoxel=own,
        point_nm=at or one,
        radius_nm=40.0,
        detector="test/1",
        partners=(partner,),
    )


def add(folder: Path, *sites: Site) -> None:
    with Session.open(folder, create=False, role="worker") as session:
        session.catalogue.add_sites(sites)


def quiet(label: str, fraction: float | None) -> None:
    """Report to nobody."""


def test_a_site_becomes_files_that_tell_how_they_were_made(
    folder: Path, datastack: OfflineDatastack, tmp_path: Path
) -> None:
    site = cut_tube(datastack)
    add(folder, site)
    out = tmp_path / "out" / "pictures"
    summary = render_site(folder, site.id, out, size_px=256)
    assert (summary.missing, summary.exit_code) == ((), 0)
    assert sorted(path.name for path in out.iterdir()) == sorted(summary.files)
    told = json.loads((out / f"{site.id}.json").read_text())
    assert told["segments"] == {"A": str(site.root), "B": str(site.partners[0].root)}
    assert list(told["pictures"]) == [*NAMES, "geometry", "slices"]
    for name in NAMES:
        each = told["pictures"][name]
        pixels = np.asarray(Image.open(out / each["file"]))
        assert pixels.shape == (256, 256, 3)
        assert pixels.std() > 5
        assert each["center_nm"] == told["center_nm"]
        assert each["nm_per_px"] == pytest.approx(2 * each["spec"]["half_extent_nm"] / 256)
        axes = np.array([each["axes"][axis] for axis in ("right", "down", "into")])
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    geometry, slices = told["pictures"]["geometry"], told["pictures"]["slices"]
    with np.load(out / geometry["file"]) as file:
        assert file["data"].shape == (3, 7, 224, 224)
        assert file["data"].dtype == np.float16
        assert set(np.unique(file["owner"])) == {0, 1, 2}
        assert json.loads(str(file["record"]))["spec"] == geometry["spec"]
    assert geometry["spec"]["hash"] == GeometrySpec(geometry["spec"]["half_extent_nm"]).hash
    assert geometry["center_nm"] == told["center_nm"]
    with np.load(out / slices["file"]) as file:
        assert (file["em"].shape, file["em"].dtype) == ((3, 64, 64), np.uint8)
        assert {site.root, site.partners[0].root} <= set(file["ids"].ravel().tolist())
    assert slices["spec_hash"] == EMSpec().hash
    hashes = {name: told["pictures"][name]["spec"]["hash"] for name in NAMES}
    assert hashes["front"] == hashes["top"] != hashes["xy"] == hashes["best"]


def test_what_cannot_be_drawn_is_told_and_leaves_no_file(
    folder: Path, datastack: OfflineDatastack, tmp_path: Path
) -> None:
    site = cut_tube(datastack, at=OUTSIDE)
    add(folder, site)
    out = tmp_path / "out"
    out.mkdir()
    old = out / f"{site.id}-front.png"
    old.write_bytes(b"of yesterday")
    summary = render_site(folder, site.id, out)
    assert summary.exit_code == 2
    assert {each["picture"] for each in summary.missing} == {*NAMES, "geometry", "slices"}
    assert all(each["state"] == "outside" and each["reason"] for each in summary.missing)
    assert [path.name for path in out.iterdir()] == [f"{site.id}.json"]
    told = json.loads((out / f"{site.id}.json").read_text())
    assert told["pictures"]["front"]["state"] == "outside"
    assert "file" not in told["pictures"]["front"]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], 0),
        (["no-imagery"], 0),
        (["no-imagery", "stale"], 2),
        (["no-graphics"], 3),
        (["stale", "unreachable"], 4),
    ],
)
def test_the_exit_code_is_that_of_the_worst(states: list[str], code: int) -> None:
    missing = tuple({"picture": "front", "state": state, "reason": "."} for state in states)
    assert RenderSummary("x", "out", (), missing, 0.0).exit_code == code


def test_an_unknown_site_and_no_session_are_refused(
    folder: Path, datastack: OfflineDatastack, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no site nowhere"):
        render_site(folder, "nowhere", tmp_path / "out")
    with pytest.raises(SessionError):
        render_site(tmp_path / "none.proofdesk", "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match="no sites"):
        render_sheet(folder, tmp_path / "out", report=quiet)
    assert not (tmp_path / "out").exists()


def test_sheets_follow_the_queue_beside_a_window(
    folder: Path, datastack: OfflineDatastack, tmp_path: Path
) -> None:
    sites = [cut_tube(datastack, tube) for tube in range(ROWS + 1)]
    add(folder, *sites)
    out = tmp_path / "out"
    with Session.open(folder, create=False) as window:
        window.catalogue.add_verdicts([_verdict(sites[-1], 0.9)])
        first = render_sheet(folder, out, limit=1, report=quiet)
        alone = np.asarray(Image.open(out / "sheet-001.png"))
        every = render_sheet(folder, out, report=quiet)
    assert (first.sites, first.files) == (1, ("sheet-001.png",))
    assert (every.sites, every.files) == (ROWS + 1, ("sheet-001.png", "sheet-002.png"))
    judged = render_sheet(folder, tmp_path / "judged", words="endpoint >0.5", report=quiet)
    assert judged.sites == 1
    named = [sites[3].id, sites[1].id]
    assert render_sheet(folder, tmp_path / "named", sites=named, report=quiet).sites == 2
    with pytest.raises(InputError, match="no site nowhere"):
        render_sheet(folder, out, sites=["nowhere"], report=quiet)
    with pytest.raises(InputError, match="junction"):
        render_sheet(folder, out, words="junction", report=quiet)
    assert every.states == {"ready": (ROWS + 1) * len(NAMES)}
    page = np.asarray(Image.open(out / "sheet-001.png"))
    # The judged site comes first: its row is the one that stood alone.
    np.testing.assert_array_equal(page[100:250, :1200], alone[100:250, :1200])


def test_a_junction_without_partner_has_pictures_too(
    folder: Path, datastack: OfflineDatastack, tmp_path: Path
) -> None:
    site = replace(cut_tube(datastack), kind=SiteKind.JUNCTION, partners=())
    add(folder, site)
    summary = render_site(folder, site.id, tmp_path / "out", size_px=224)
    assert summary.missing == ()
    told = json.loads((tmp_path / "out" / f"{site.id}.json").read_text())
    assert told["segments"]["B"] is None


def test_the_command_ends_with_the_reason_and_its_code(
    folder: Path,
    datastack: OfflineDatastack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site = cut_tube(datastack, at=OUTSIDE)
    add(folder, site)

    def run(*arguments: str) -> tuple[int, str, str]:
        out = ["--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["proofdesk", "render", str(folder), *out, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    code, _, told = run("--site", site.id)
    assert code == 2
    assert "front: outside. " in told
    code, answer, _ = run("--site", site.id, "--json")
    assert code == 2
    assert json.loads(answer)["missing"][0]["state"] == "outside"
    code, _, told = run()
    assert code == 2
    assert "--sheet" in told
