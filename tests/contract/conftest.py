"""What the contract suite runs against: the offline service, or a real server.

``pytest tests/contract --server ADDRESS --datastack NAME`` points the tests that need no
knowledge of the volume at a real server; they only read unless ``--allow-edits``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.volumes import NAME, halves, ingest_tubes

if TYPE_CHECKING:
    from connectome.offline.service import RunningService

Ends = tuple[list[int], Sequence[tuple[float, ...]]]
"""Two supervoxels of different objects, and a position in nm in each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "the contract suite against a real CAVE server")
    group.addoption("--server", help="address of the server (token: PROOFDESK_TOKEN or its file)")
    group.addoption("--datastack", help="datastack on that server")
    group.addoption("--root", type=int, help="a current root with edits; else a recent one")
    group.addoption("--allow-edits", action="store_true", help="merge and undo on that server")
    group.addoption("--merge-points", nargs=2, metavar="ID,X,Y,Z", help="what to merge, nm")


def option(config: pytest.Config, name: str) -> Any:
    """Return an option; absent too where the suite is run from above this folder."""
    return config.getoption(name, None)


@pytest.fixture(autouse=True)
def no_tokens_of_the_person(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keep the clients away from real token files, unless a real server was asked for."""
    if option(request.config, "server") is None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ingested datastack that no test may change."""
    return ingest_tubes(tmp_path_factory.mktemp("ingested") / "tubes")


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A datastack of the test's own."""
    if option(request.config, "server") is not None:
        pytest.skip("knows the offline volume: not for a real server")
    ingested: Path = request.getfixturevalue("ingested")
    return Path(shutil.copytree(ingested, tmp_path / "tubes"))


@pytest.fixture
def service(folder: Path) -> Iterator[RunningService]:
    """The datastack of the test's own, being served."""
    from connectome.offline.service import serve

    with serve(folder) as running:
        yield running


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Any:
    """The unmodified caveclient."""
    from caveclient import CAVEclient

    address, name = (option(request.config, key) for key in ("server", "datastack"))
    token = os.environ.get("PROOFDESK_TOKEN")
    if address is None:
        service: RunningService = request.getfixturevalue("service")
        address, name, token = service.url, NAME, service.token
    elif name is None:
        pytest.fail("--server needs --datastack")
    return CAVEclient(
        name, server_address=address, auth_token=token, max_retries=0, write_server_cache=False
    )


@pytest.fixture
def graph(client: Any) -> Any:
    """The client of the chunked graph."""
    return client.chunkedgraph


@pytest.fixture
def points_to_merge(request: pytest.FixtureRequest) -> Ends:
    """Two objects that the test may merge."""
    if option(request.config, "server") is None:
        return halves(request.getfixturevalue("service").engine.folder)
    if not option(request.config, "allow_edits"):
        pytest.skip("edits: give --allow-edits")
    given = option(request.config, "merge_points")
    if given is None:
        pytest.skip("does not know what to merge: give --merge-points")
    rows = [text.split(",") for text in given]
    return [int(row[0]) for row in rows], [tuple(map(float, row[1:])) for row in rows]


@pytest.fixture
def edited_root(request: pytest.FixtureRequest, graph: Any) -> int:
    """A current root that edits have made."""
    if option(request.config, "server") is None:
        ids, points = request.getfixturevalue("points_to_merge")
        return int(graph.do_merge(ids, points, resolution=(1, 1, 1))["new_root_ids"][0])
    given = option(request.config, "root")
    if given is not None:
        return int(given)
    _, new = graph.get_delta_roots(datetime.now(UTC) - timedelta(days=14))
    current = [int(root) for root in new if graph.is_latest_roots([root])[0]]
    if not current:
        pytest.skip("nothing was edited in two weeks: give --root")
    return current[-1]
