"""A known series of edits, and what the unmodified chunkedgraph client reads of it."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.volumes import NAME, VOXEL_NM, halves, supervoxels_at, tube_point

pd: Any = importlib.import_module("pandas")  # it has no types, and is only compared with

TABLE = f"/segmentation/api/v1/table/{NAME}"
NM = (1, 1, 1)
MERGE, REFUSED, UNDO, REDO, JOIN = 1, 2, 3, 4, 5
"""The operations of the story, by number."""


@dataclass(frozen=True)
class Story:
    """Two tubes: one put together, taken apart, put together again, joined to another.

    Parameters
    ----------
    left, right, other : int
        Supervoxels of the first tube's halves and of the second tube.
    points : list
        Where they are, nm.
    roots : dict
        The new roots of each operation.
    first : list of int
        The three roots as ingested.
    """

    left: int
    right: int
    other: int
    points: list[tuple[float, float, float]]
    roots: dict[int, list[int]]
    first: list[int]

    @property
    def last(self) -> int:
        """The root of everything."""
        return self.roots[JOIN][0]


@pytest.fixture
def story(graph: Any, service: RunningService) -> Story:
    (left, right), points = halves(service.engine.folder, 0)
    points.append(tube_point(1, 66))
    (other,) = supervoxels_at(service.engine.folder, points[2])
    first = graph.get_roots([left, right, other]).tolist()
    roots = {}
    answer = graph.do_merge([left, right], points[:2], resolution=NM)
    roots[answer["operation_id"]] = answer["new_root_ids"]
    with pytest.raises(requests.HTTPError, match="different objects"):
        graph.do_merge([left, right], points[:2], resolution=NM)
    for number in (MERGE, UNDO):
        answer = graph.undo_operation(number)
        roots[answer["operation_id"]] = answer["new_root_ids"]
    answer = graph.do_merge([left, other], [points[0], points[2]], resolution=NM)
    roots[answer["operation_id"]] = answer["new_root_ids"]
    assert list(roots) == [MERGE, UNDO, REDO, JOIN]
    return Story(left, right, other, points, roots, first)


@pytest.fixture
def web(service: RunningService) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        yield session


def ids_of(table: Any) -> list[int]:
    return [int(number) for number in table["operation_id"]]


def test_the_tables_as_pandas_would_write_them(
    graph: Any, story: Story, web: requests.Session, service: RunningService
) -> None:
    before = [story.first[:2], story.roots[MERGE], story.roots[UNDO]]
    before.append([*story.roots[REDO], story.first[2]])
    made = [graph.get_root_timestamps(story.roots[n])[0] for n in (MERGE, UNDO, REDO, JOIN)]
    table = pd.DataFrame(
        {
            "operation_id": [MERGE, UNDO, REDO, JOIN],
            "timestamp": pd.to_datetime(made).as_unit("ms"),
            "user_id": ["1"] * 4,
            "before_root_ids": [sorted(ids) for ids in before],
            "after_root_ids": [sorted(story.roots[n]) for n in (MERGE, UNDO, REDO, JOIN)],
            "is_merge": [True, False, True, True],
            "in_neuron": [True] * 4,
            # The halves are one object again, so that they were parted shows no more.
            "is_relevant": [True, False, True, True],
            "user_name": ["Person at this machine"] * 4,
            "user_affiliation": [""] * 4,
        }
    )
    url, body = f"{service.url}{TABLE}/tabular_change_log_many", {"root_ids": [str(story.last)]}
    answer = web.get(url, json=body, params={"filtered": "False"}, timeout=5).json()
    assert answer == {str(story.last): table.to_json()}
    shown = table[table["is_relevant"]].drop(columns=["in_neuron", "is_relevant"])
    answer = web.get(url, json=body, timeout=5).json()
    assert answer == {str(story.last): shown.to_json()}
    single = f"{service.url}{TABLE}/root/{story.last}/tabular_change_log"
    assert web.get(single, timeout=5).json() == json.loads(shown.to_json())


def test_tables_of_many_roots(graph: Any, story: Story) -> None:
    roots = [story.last, story.roots[MERGE][0], story.first[0]]
    tables = graph.get_tabular_change_log(roots, filtered=False)
    assert set(tables) == set(roots)
    assert ids_of(tables[story.last]) == [MERGE, UNDO, REDO, JOIN]
    assert ids_of(tables[story.roots[MERGE][0]]) == [MERGE]
    assert len(tables[story.first[0]]) == 0
    one_half = graph.get_tabular_change_log(story.roots[UNDO][:1], filtered=False)
    (table,) = one_half.values()
    # Of the merge only one half is held, of the split that followed one is enough.
    assert table["in_neuron"].tolist() == [False, True]
    assert table["after_root_ids"].tolist()[1] == story.roots[UNDO][:1]


def test_summaries(graph: Any, story: Story) -> None:
    log = graph.get_change_log(story.last, filtered=False)
    assert (log["n_mergers"], log["n_splits"]) == (3, 1)
    assert log["user_info"] == {"1": {"n_splits": 1, "n_mergers": 3}}
    assert log["operations_ids"] == [MERGE, UNDO, REDO, JOIN]
    assert graph.get_change_log(story.last)["operations_ids"] == [MERGE, REDO, JOIN]
    empty = graph.get_change_log(story.first[0])
    assert empty == {
        "n_splits": 0,
        "n_mergers": 0,
        "user_info": {},
        "operations_ids": [],
        "past_ids": [],
    }
    merges = graph.get_merge_log(story.last)
    pair = [[story.left, story.right]]
    assert merges["merge_edges"] == [pair, pair, [[story.left, story.other]]]
    voxels = [[int(p // v) for p, v in zip(q, VOXEL_NM, strict=True)] for q in story.points]
    assert merges["merge_edge_coords"][0] == [voxels[:1], voxels[1:2]]


def test_every_row_of_the_operation_log(graph: Any, story: Story) -> None:
    asked = np.array([MERGE, REFUSED, UNDO, REDO, JOIN, 99])
    rows = graph.get_operation_details(asked)
    assert sorted(rows, key=int) == ["1", "2", "3", "4", "5"]
    voxels = [[int(p // v) for p, v in zip(q, VOXEL_NM, strict=True)] for q in story.points]
    for number, row in rows.items():
        assert isinstance(row["user"], str)
        assert row["source_ids"] == [story.left]
        assert row["source_coords"] == voxels[:1]
        assert row["timestamp"] == row["operation_ts"]
        assert datetime.fromisoformat(row["timestamp"]).tzinfo is not None
        assert row["operation_status"] == (1 if number == "2" else 0)
        assert row["roots"] == sorted(story.roots.get(int(number), []))
    assert rows["2"]["operation_exception"] == "Supervoxels must belong to different objects."
    assert rows["1"]["operation_exception"] == ""
    assert rows["1"]["sink_ids"] == [story.right]
    assert rows["1"]["sink_coords"] == voxels[1:2]
    assert rows["1"]["added_edges"] == [[story.left, story.right]]
    assert rows["3"]["removed_edges"] == [[story.left, story.right]]
    assert (rows["3"]["undo_operation_id"], rows["4"]["redo_operation_id"]) == (MERGE, MERGE)
    assert rows["4"]["added_edges"] == [[story.left, story.right]]
    assert graph.get_operation_details([]) == {}


def test_operations_of_a_user(graph: Any, story: Story) -> None:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    mine = graph.get_user_operations(1, start)
    assert ids_of(mine) == [MERGE, REFUSED, JOIN]
    assert (mine["timestamp"] > start).all()
    assert ids_of(graph.get_user_operations(0, start)) == [1, 2, 3, 4, 5]
    assert ids_of(graph.get_user_operations(0, start, include_undo=False)) == [1, 2, 5]
    assert ids_of(graph.get_user_operations(77, start)) == []
    (joined,) = graph.get_root_timestamps([story.last])
    assert ids_of(graph.get_user_operations(1, joined)) == [JOIN]
    until = joined - timedelta(milliseconds=1)
    assert ids_of(graph.get_user_operations(1, start, timestamp_end=until)) == [MERGE, REFUSED]


def test_times_only_grow_and_the_past_answers(graph: Any, story: Story) -> None:
    numbers = [MERGE, UNDO, REDO, JOIN]
    made = [graph.get_root_timestamps(story.roots[n])[0] for n in numbers]
    assert made == sorted(set(made))
    asked = [story.left, story.right, story.other]
    for number, moment in zip(numbers, made, strict=True):
        then = graph.get_roots(asked, timestamp=moment).tolist()
        assert set(story.roots[number]) <= set(then)
        assert graph.is_latest_roots(then, timestamp=moment).all()
        still = moment - timedelta(milliseconds=1)
        assert not set(story.roots[number]) & set(graph.get_roots(asked, timestamp=still))
    assert graph.get_roots(asked, timestamp=graph.get_oldest_timestamp()).tolist() == story.first
    early = graph.get_oldest_timestamp() - timedelta(seconds=1)
    assert graph.get_roots(asked, timestamp=early).tolist() == [0, 0, 0]
    with pytest.raises(requests.HTTPError, match="did not exist at that time"):
        graph.get_root_timestamps([story.last], latest=True, timestamp=made[0])


def test_lineage_of_the_story(graph: Any, story: Story) -> None:
    raw = graph.get_lineage_graph(story.last)
    (a,), (b, c), (d,), (e,) = (story.roots[n] for n in (MERGE, UNDO, REDO, JOIN))
    x, y, z = story.first
    links = {(link["source"], link["target"]) for link in raw["links"]}
    assert links == {(x, a), (y, a), (a, b), (a, c), (b, d), (c, d), (d, e), (z, e)}
    ending = {node["id"]: node.get("operation_id") for node in raw["nodes"]}
    assert ending == {x: 1, y: 1, a: 3, b: 4, c: 4, d: 5, z: 5, e: None}
    # Forwards only: what the other half was made of is not part of this root's future.
    ahead = graph.get_lineage_graph(x)
    assert {node["id"] for node in ahead["nodes"]} == {x, a, b, c, d, e}
    assert graph.get_latest_roots(x).tolist() == [e]
    (undone,) = graph.get_root_timestamps([b])
    assert set(graph.get_latest_roots(x, timestamp=undone)) == {b, c}
    assert set(graph.get_original_roots(e)) == {x, y, z}
    two = graph.get_lineage_graph([x, z], as_nx_graph=True)
    assert set(two) == {x, a, b, c, d, e, z}


def test_lineage_of_one_root_by_its_own_address(
    graph: Any, story: Story, web: requests.Session, service: RunningService
) -> None:
    url = f"{service.url}{TABLE}/root/{story.last}/lineage_graph"
    assert web.get(url, timeout=5).json() == graph.get_lineage_graph(story.last)
    nodes = web.get(url, params={"int64_as_str": 1}, timeout=5).json()["nodes"]
    assert {node["id"] for node in nodes} >= {str(story.last)}
    url = f"{service.url}{TABLE}/root/{story.last}/last_edit"
    (made,) = graph.get_root_timestamps([story.last])
    assert web.get(url, timeout=5).json() == {"iso": str(made)}


def test_former_and_later_ids(graph: Any, story: Story) -> None:
    x, y, z = story.first
    maps = graph.get_past_ids([story.last])
    assert set(maps["past_id_map"][story.last]) == {x, y, z}
    # The first tube was taken apart on the way: only of the other one it is certain.
    assert maps["future_id_map"] == {z: story.last}
    untouched = int(graph.get_root_id(int(graph.get_leaves(story.last)[0])))
    assert graph.get_past_ids([untouched], timestamp_past=datetime.now(UTC))["past_id_map"] == {
        untouched: [untouched]
    }
    old, new = graph.get_delta_roots(graph.get_oldest_timestamp())
    assert set(old) == {x, y, z, *story.roots[1], *story.roots[3], *story.roots[4]}
    assert set(new) == {root for roots in story.roots.values() for root in roots}
    (joined,) = graph.get_root_timestamps([story.last])
    old, new = graph.get_delta_roots(joined)
    assert set(old) == {z, *story.roots[REDO]}
    assert new.tolist() == [story.last]


def test_ids_that_were_valid(graph: Any, story: Story) -> None:
    (joined,) = graph.get_root_timestamps([story.last])
    after = joined + timedelta(milliseconds=1)
    replaced = story.roots[MERGE][0]
    assert graph.is_valid_nodes([replaced, story.last]).tolist() == [True, True]
    valid = graph.is_valid_nodes([replaced, story.last], start_timestamp=after)
    assert valid.tolist() == [False, True]
    oldest = graph.get_oldest_timestamp()
    valid = graph.is_valid_nodes([story.last, story.first[0]], end_timestamp=oldest)
    assert valid.tolist() == [False, True]


def test_every_layer_of_the_whole_object_leads_back_to_it(graph: Any, story: Story) -> None:
    top = graph.segmentation_info["graph"]["n_layers"]
    level2 = graph.get_leaves(story.last, stop_layer=2).tolist()
    leaves = graph.get_leaves(story.last)
    # Nodes lie in layers 1, 2 and the top only: a level-2 node is a child of its root, and
    # what stands for it in every layer between. So the shares of overlap are right.
    for layer in range(2, top):
        assert graph.get_leaves(story.last, stop_layer=layer).tolist() == level2
        assert set(graph.get_roots(leaves, stop_layer=layer).tolist()) == set(level2)
    assert graph.get_children(story.last).tolist() == level2
    assert set(graph.get_roots(leaves, stop_layer=top).tolist()) == {story.last}
    old = story.roots[MERGE][0]
    for stop in (None, 1, 2, top - 1):
        assert graph.suggest_latest_roots(old, stop_layer=stop) == story.last


def test_covers_of_whole_objects(graph: Any, story: Story) -> None:
    level2 = graph.get_leaves(story.last, stop_layer=2)
    assert graph.get_minimal_covering_nodes([int(n) for n in level2]).tolist() == [story.last]
    leaves = graph.get_leaves(int(level2[0]))
    some = [int(n) for n in (*level2[1:], *leaves[1:])]
    assert set(graph.get_minimal_covering_nodes(some).tolist()) == set(some)
    # An outdated root is covered by what holds its supervoxels now.
    half = graph.get_leaves(story.roots[MERGE][0])
    cover = graph.get_minimal_covering_nodes([story.roots[MERGE][0]])
    held = [graph.get_leaves(int(node)) for node in cover]
    assert sorted(np.concatenate(held).tolist()) == sorted(half.tolist())


def test_strings_for_every_id(
    graph: Any, story: Story, web: requests.Session, service: RunningService
) -> None:
    base, as_str = f"{service.url}{TABLE}", {"int64_as_str": "1"}
    root = story.last

    def get(path: str, body: Any = None, **query: str) -> Any:
        return web.get(f"{base}/{path}", json=body, params={**as_str, **query}, timeout=5).json()

    def post(path: str, body: Any) -> Any:
        return web.post(f"{base}/{path}", data=json.dumps(body), params=as_str, timeout=5).json()

    level2 = [str(node) for node in graph.get_leaves(root, stop_layer=2)]
    assert get(f"node/{root}/children")["children_ids"] == level2
    assert post("roots", {"node_ids": level2[:1]}) == {"root_ids": [str(root)]}
    assert all(isinstance(n, str) for e in get(f"node/{root}/lvl2_graph")["edge_graph"] for n in e)
    assert all(isinstance(n, str) for e in get(f"node/{root}/subgraph")["nodes"] for n in e)
    ends = [[str(root), *story.points[0]], [str(root), *story.points[1]]]
    assert set(post("graph/find_path", ends)["l2_path"]) <= set(level2)
    assert get("valid_nodes", {"node_ids": [str(root), 5]}) == {"valid_roots": [str(root)]}
    maps = get("past_id_mapping", {"root_ids": [str(root)]})
    assert set(maps["past_id_map"][str(root)]) == {str(old) for old in story.first}
    assert maps["future_id_map"] == {str(story.first[2]): str(root)}
    assert str(root) in get("delta_roots")["new_roots"]
    log = get(f"root/{root}/change_log")
    assert log["operations_ids"] == ["1", "3", "4", "5"]
    assert all(isinstance(old, str) for old in log["past_ids"])
    assert get(f"root/{root}/merge_log")["merge_edges"][0] == [[str(story.left), str(story.right)]]
    details = get("operation_details", operation_ids="[5]")["5"]
    assert details["roots"] == [str(root)]
    assert details["source_ids"] == [str(story.left)]
    nodes = post("lineage_graph_multiple", {"root_ids": [str(root)]})["nodes"]
    assert {node["operation_id"] for node in nodes if "operation_id" in node} == set("1345")
    assert post("minimal_covering_nodes", {"node_ids": level2}) == [str(root)]


def test_malformed_questions_are_refused(
    story: Story, web: requests.Session, service: RunningService
) -> None:
    base, root, leaf = f"{service.url}{TABLE}", story.last, story.left
    gets = [
        f"root/{leaf}/change_log",
        f"root/{leaf}/tabular_change_log",
        "root/x/merge_log",
        f"root/{root}/lineage_graph?timestamp_past=soon",
        f"root/{leaf}/last_edit",
        "operation_details?operation_ids=7",
        "operation_details?operation_ids=[1.5]",
        "operation_details?operation_ids=[true]",
        "operation_details?operation_ids=[99999999999999999999]",
        "user_operations?start_time=nan",
        "delta_roots?timestamp_past=inf",
        "valid_nodes",
        "past_id_mapping",
        "tabular_change_log_many",
        f"node/{root}/lvl2_graph?bounds=1-2",
        f"node/{root + 2**30}/subgraph",
        f"node/{root}/leaves?stop_layer=0",
        f"node/{root}/leaves?stop_layer=200",
        f"l2_chunk_children_binary/{root}?as_array=1",
        f"l2_chunk_children_binary/{2 << 56}",
        f"l2_chunk_children/{2 << 56}",
    ]
    answers = [web.get(f"{base}/{path}", timeout=5) for path in gets]
    posts: list[tuple[str, Any]] = [
        ("graph/find_path", []),
        ("graph/find_path", [[root, 0, 0, 0]] * 3),
        ("graph/find_path", [[root, 0, 0], [root, 0, 0, 0]]),
        ("graph/find_path", [[root, 1e9, 0, 0], [root, *story.points[0]]]),
        ("graph/find_path", [[leaf, 0, 0, 0], [_far_supervoxel(service), 0, 0, 0]]),
        ("minimal_covering_nodes", {"node_ids": [7]}),
        ("minimal_covering_nodes", [leaf]),
        ("root_timestamps?latest=true&timestamp=x", {"node_ids": [root]}),
        ("lineage_graph_multiple", {"root_ids": [root + 2**30]}),
    ]
    answers += [web.post(f"{base}/{p}", data=json.dumps(body), timeout=5) for p, body in posts]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, 400), answer.url
        assert answer.headers["Content-Type"] == "application/json"


def _far_supervoxel(service: RunningService) -> int:
    (found,) = supervoxels_at(service.engine.folder, tube_point(5, 20))
    return found


def test_answers_are_as_described(
    graph: Any, story: Story, web: requests.Session, service: RunningService
) -> None:
    from jsonschema import Draft202012Validator

    described = web.get(f"{service.url}/openapi.json", timeout=5).json()
    root, leaf = story.last, story.left
    chunk = int(graph.get_leaves(root, stop_layer=2)[0])
    ends = [[str(root), *story.points[0]], [root, *story.points[2]]]
    gets = [
        *(f"root/{root}/{name}" for name in ("change_log", "merge_log", "tabular_change_log")),
        *(f"root/{root}/{name}" for name in ("lineage_graph", "last_edit")),
        *(f"node/{root}/{name}" for name in ("leaves", "children", "lvl2_graph", "subgraph")),
        *(f"node/{leaf}/{name}" for name in ("root", "leaves", "children")),
        *("delta_roots", "oldest_timestamp", "user_operations", "operation_details"),
        "operation_details?operation_ids=[1,2,3]",
        f"l2_chunk_children/{chunk}?as_array=true",
    ]
    with_body = [
        *((name, {"root_ids": [root]}) for name in ("past_id_mapping", "tabular_change_log_many")),
        ("valid_nodes", {"node_ids": [root]}),
    ]
    posts = [
        ("lineage_graph_multiple", {"root_ids": [root]}),
        *((name, {"node_ids": [root]}) for name in ("root_timestamps", "is_latest_roots")),
        *((name, {"node_ids": [root]}) for name in ("roots", "leaves_many", "node/leaves_many")),
        ("minimal_covering_nodes", {"node_ids": [root]}),
        ("graph/find_path", ends),
    ]
    asked: list[tuple[str, str, object]] = [
        *(("get", path, None) for path in gets),
        *(("get", path, body) for path, body in with_body),
        *(("post", path, body) for path, body in posts),
    ]
    for method, path, body in asked:
        for as_str in ("", "true"):
            answer = web.request(
                method,
                f"{service.url}{TABLE}/{path}",
                json=body,
                params={"int64_as_str": as_str},
                timeout=5,
            )
            assert answer.status_code == 200, path
            schema = _answer_schema(described, method, f"{TABLE}/{path}".partition("?")[0])
            Draft202012Validator(schema).validate(answer.json())


def _answer_schema(described: Any, method: str, path: str) -> Any:
    """Return the schema of the answer of the route that a path belongs to."""
    for pattern, operations in described["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z]+\}", "[^/]+", pattern), path):
            return operations[method]["responses"]["200"]["content"]["application/json"]["schema"]
    raise AssertionError(f"{path} is not described")
