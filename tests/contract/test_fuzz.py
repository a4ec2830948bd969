"""Requests made at random from the service's own description: none breaks it.

Half of the requests keep to the description and half break it somewhere; ids are often
replaced by those of real nodes, or else nearly all would end at "does not exist".
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from connectome.offline.checking import check_datastack
from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder
from connectome.offline.service import RunningService, serve
from connectome.offline.service.app import ROUTES
from connectome.offline.service.routing import ServiceRoute
from tests.contract.test_caveclient import halves
from tests.contract.volumes import SHAPE_ZYX, VOXEL_NM

EXAMPLES = int(os.environ.get("PROOFDESK_FUZZ_EXAMPLES", "8"))
"""Requests for each operation; more for a long look."""
TABLE = "fuzzed"
OPERATIONS = sorted(
    (
        f"{method} {entry.path_format}"
        for entry in ROUTES
        if isinstance(entry, ServiceRoute)
        for method in (entry.methods or set()) - {"HEAD"}
    ),
    # What deletes comes last, or there would be nothing left to ask about.
    key=lambda label: (label.startswith("DELETE"), label),
)
_SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_DIGITS = re.compile(r"\d{1,20}")


@dataclass
class World:
    """A service that is fuzzed, and real ids of its graph."""

    service: RunningService
    schema: Any
    session: requests.Session
    nodes: list[int]
    leaves: list[int]
    pairs: list[list[list[Any]]]
    """Two points [id, x, y, z] on both sides of the cut of a tube."""
    names: dict[str, list[str]]
    """What parameters of the path, or fields of a body, may really be called."""

    def send(self, case: Any) -> Any:
        """Send a request, whatever it is."""
        return case.call(base_url=self.service.url, session=self.session, timeout=30)


@pytest.fixture(scope="module")
def world(ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    copy = shutil.copytree(ingested, tmp_path_factory.mktemp("fuzz") / "tubes")
    with serve(copy) as service, requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        _edit_a_little(service, session)
        names = _write_a_little(service, session)
        described = session.get(f"{service.url}/openapi.json", timeout=10).json()
        state = service.engine.state
        root = int(state.current_roots[0])
        leaves = service.engine.leaves(root).tolist()
        level2 = service.engine.leaves(root, stop_layer=2).tolist()
        nodes = [*state.current_roots[:5].tolist(), *state.history.retired, *level2[:3]]
        nodes += [*leaves[:5], 0, 1, 2**64 - 1]
        names |= {"node": [str(i) for i in nodes], "chunk": [str(i) for i in level2[:3]]}
        names |= {"root": names["node"], "roots": names["node"]}
        schema = schemathesis.openapi.from_dict(described)
        yield World(service, schema, session, nodes, leaves, _pairs(service), names)
    _assert_whole(copy)


def _pairs(service: RunningService) -> list[list[list[Any]]]:
    sides = [halves(service, tube) for tube in range(6)]
    return [[[i, *p] for i, p in zip(*side, strict=True)] for side in sides]


def _edit_a_little(service: RunningService, session: requests.Session) -> None:
    """Make a history, so that there is something to ask about."""
    base = service.url + "/segmentation/api/v1/table/" + service.address.name
    for pair in _pairs(service)[:2]:
        assert session.post(f"{base}/merge", data=json.dumps(pair), timeout=30).ok
    assert session.post(f"{base}/undo", data='{"operation_id": 1}', timeout=30).ok


def _write_a_little(service: RunningService, session: requests.Session) -> dict[str, list[str]]:
    """Make a table with a row, and a state; return the names of what there is."""
    name = service.address.name
    tables = f"{service.url}/annotation/api/v2/aligned_volume/{name}/table"
    metadata = {"description": "x", **{f"voxel_resolution_{a}": 1 for a in "xyz"}}
    made = {"table_name": TABLE, "schema_type": "bound_tag", "metadata": metadata}
    assert session.post(tables, json=made, timeout=10).ok
    row = {"pt": {"position": [500, 60, 60]}, "tag": "a"}
    rows = session.post(f"{tables}/{TABLE}/annotations", json={"annotations": [row]}, timeout=10)
    assert rows.ok
    posted = session.post(f"{service.url}/nglstate/api/v1/post", data=b'{"a": 1}', timeout=10)
    return {
        "annotation_table": [TABLE],
        "table": [name, TABLE],
        "table_name": [TABLE, "another"],
        "schema_type": ["bound_tag", "bound_2tag"],
        "state_id": [posted.json().rsplit("/", 1)[1]],
        "version": ["1"],
        "skeleton_version": ["4"],
        "id": ["1"],
        "path": ["em/info", "supervoxels/info", "em", "supervoxels/mesh/info"],
    }


def _assert_whole(folder: Path) -> None:
    """Check that the files hold, whatever was asked of the service."""
    report = check_datastack(folder)
    assert report.ok, [finding for finding in report.findings if not finding.ok]
    engine = GraphEngine.open(DatastackFolder.open(folder), read_only=True)
    assert len(engine.current_roots()) > 0
    engine.close()


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_breaks_the_service(world: World, label: str) -> None:
    method, path = label.split(" ")
    operation = world.schema[path][method]
    either = [operation.as_strategy(mode) for mode in _modes(operation)]

    @_SETTINGS
    @given(case=st.one_of(either), seed=st.integers(0, 2**32))
    def trial(case: Any, seed: int) -> None:
        _with_real_ids(case, world, Random(seed))
        _judge(case, world.send(case), operation)

    trial()


def _modes(operation: Any) -> list[GenerationMode]:
    takes = bool(list(operation.iter_parameters())) or bool(operation.body)
    return list(GenerationMode) if takes else [GenerationMode.POSITIVE]


def _with_real_ids(case: Any, world: World, chance: Random) -> None:
    if chance.random() < 0.3:
        return
    parameters = case.path_parameters or {}
    for name in parameters.keys() & world.names.keys():
        parameters[name] = chance.choice(world.names[name])
    case.body = _replaced(case.body, world, chance)


def _replaced(value: Any, world: World, chance: Random, name: str = "") -> Any:
    """Put real ids where numbers stand, and real names under fields that hold names."""
    if isinstance(value, dict):
        return {key: _replaced(one, world, chance, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, world, chance, name) for one in value]
    if isinstance(value, str) and name in world.names:
        return chance.choice([value, *world.names[name]])
    number = isinstance(value, int) and not isinstance(value, bool)
    if number or (isinstance(value, str) and _DIGITS.fullmatch(value)):
        found = chance.choice(world.nodes)
        return chance.choice([value, found, str(found)])
    return value


def _judge(case: Any, answer: Any, operation: Any) -> None:
    documented = set(operation.definition.raw["responses"])
    text = answer.content[:300].decode(errors="replace")
    said = f"{case.as_curl_command()[:2000]} -> {answer.status_code} {text}"
    assert str(answer.status_code) in documented, said
    assert "see its log" not in text, said
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/json"], said
        assert answer.json()["code"] == answer.status_code, said
    else:
        case.validate_response(answer, checks=[response_schema_conformance])


def edits(world: World) -> st.SearchStrategy[tuple[str, Any]]:
    """Return edits of which many are right and the others nearly so."""
    size_nm = [n * v for n, v in zip(SHAPE_ZYX[::-1], VOXEL_NM, strict=True)]
    place = st.tuples(*(st.floats(-100, n + 100) for n in size_nm))
    odd = st.sampled_from([0, -1, 2**64, 1.5, None, "x", 1e300, True])
    node = st.one_of(st.sampled_from(world.leaves), st.sampled_from(world.nodes), odd)
    strange = st.lists(st.builds(lambda i, p: [i, *p], node, place), max_size=3)
    pair = st.sampled_from(world.pairs)
    sides = st.one_of(
        st.builds(lambda p, one, two: ([p[0], *one], [p[1], *two]), pair, strange, strange),
        st.builds(lambda p, q: ([p[0], q[0]], [p[1], q[1]]), pair, pair),
        *[st.builds(lambda p: ([p[0]], [p[1]]), pair)] * 3,
    )
    splits = st.builds(lambda two: {"sources": two[0], "sinks": two[1]}, sides)
    numbers = st.builds(
        lambda n: {"operation_id": n}, st.one_of(st.integers(-1, 40), st.integers(1, 5), odd)
    )
    return st.one_of(
        st.tuples(st.just("merge"), st.one_of(strange, pair, pair)),
        st.tuples(st.sampled_from(["split", "split", "graph/split_preview"]), splits),
        st.tuples(st.sampled_from(["undo", "redo"]), numbers),
    )


def test_nearly_right_edits_keep_the_graph_whole(world: World) -> None:
    base = world.service.url + "/segmentation/api/v1/table/" + world.service.address.name
    applied: Counter[str] = Counter()

    @settings(_SETTINGS, max_examples=EXAMPLES * 20)
    @given(edit=edits(world))
    def trial(edit: tuple[str, Any]) -> None:
        path, body = edit
        answer = world.session.post(f"{base}/{path}", data=json.dumps(body), timeout=30)
        said = f"{path} {body} -> {answer.status_code} {answer.text[:300]}"
        assert answer.status_code in (200, 400, 500), said
        assert "see its log" not in answer.text, said
        applied[path] += answer.status_code == 200

    trial()
    assert min(applied[path] for path in ("merge", "split", "undo", "redo")) > 1, applied
