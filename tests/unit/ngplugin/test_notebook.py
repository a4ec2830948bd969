"""Sites in somebody's own viewer, and the notebook that shows how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
import pytest

from connectome.errors import InputError
from connectome.space import BoxNm
from ngplugin.notebook import SiteLayer
from ngplugin.store import ANSWER_CODES
from proofreading.decisions import Answer
from proofreading.sites import Site
from tests.unit.ngplugin.sites import site

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1280.0, 1280.0, 1280.0))
VOXEL = (10.0, 10.0, 20.0)
EXAMPLE = Path(__file__).parents[3] / "docs" / "notebook.ipynb"


@pytest.fixture
def viewer() -> Any:
    made = neuroglancer.Viewer()
    with made.txn() as state:
        state.dimensions = neuroglancer.CoordinateSpace(
            names=["x", "y", "z"], units="nm", scales=list(VOXEL)
        )
        state.layers["mine"] = neuroglancer.SegmentationLayer(
            source=neuroglancer.LocalVolume(
                np.ones((8, 8, 8), np.uint32), dimensions=state.dimensions
            )
        )
    return made


@pytest.fixture
def heard() -> list[tuple[Site, Answer]]:
    return []


@pytest.fixture
def layer(viewer: Any, heard: list[tuple[Site, Answer]]) -> Iterator[SiteLayer]:
    with SiteLayer(
        viewer,
        BOUNDS,
        VOXEL,
        segmentation="mine",
        on_answer=lambda where, answer: heard.append((where, answer)),
    ) as made:
        made.add([site(n, (100.0 * n, 200.0, 300.0), root=10 * n) for n in (1, 2, 3)])
        made.set_probabilities([f"{n:016x}" for n in (1, 2, 3)], [0.2, 0.9, 0.6])
        yield made


def _press(viewer: Any, key: str) -> None:
    name = viewer.config_state.state.input_event_bindings.viewer[key]
    viewer.actions.invoke(name, {})


def _url(viewer: Any) -> str:
    (source,) = viewer.state.layers["sites"].to_json()["source"]
    url: str = source if isinstance(source, str) else source["url"]
    return url


def test_the_layer_joins_those_that_are_there(viewer: Any, layer: SiteLayer) -> None:
    assert [each.name for each in viewer.state.layers] == ["mine", "sites"]
    assert _url(viewer) == layer.source.url
    assert len(layer) == 3
    body = layer.source.answer("spatial0/0_0_0")
    assert body is not None
    assert int.from_bytes(body[0][:8], "little") == 3


def test_the_keys_answer_the_most_probable_first(
    viewer: Any, layer: SiteLayer, heard: list[tuple[Site, Answer]]
) -> None:
    _press(viewer, "keyn")
    assert layer.current is not None
    assert layer.current.number == 2
    _press(viewer, "keyf")
    assert layer.current.number == 3
    _press(viewer, "keyd")
    _press(viewer, "keys")
    assert {int(i, 16): a.value for i, a in layer.answers.items()} == {
        2: "accept",
        3: "reject",
        1: "unsure",
    }
    assert [(where.number, answer) for where, answer in heard] == [
        (2, Answer.ACCEPT),
        (3, Answer.REJECT),
        (1, Answer.UNSURE),
    ]
    assert layer.go_next() is None
    codes = layer.store.snapshot.properties["answer"][:3].tolist()
    assert codes == [ANSWER_CODES[a] for a in (Answer.UNSURE, Answer.ACCEPT, Answer.REJECT)]


def test_a_site_is_looked_at_in_the_viewer_s_own_units(viewer: Any, layer: SiteLayer) -> None:
    layer.go_to(f"{3:016x}")
    state = viewer.state
    assert np.allclose(state.position, [30.0, 20.0, 15.0])
    assert sorted(state.layers["mine"].segments) == [30, 31]
    assert state.layers["mine"].segment_colors[30] == "#1f77b4"
    assert state.layers["mine"].segment_colors[31] == "#ff7f0e"


def test_a_click_makes_a_site_the_current_one(viewer: Any, layer: SiteLayer) -> None:
    hit = {"selectedValues": {"sites": {"annotationId": "1"}}}
    viewer.actions.invoke("proofdesk-notebook-click", hit)
    assert layer.current is not None
    assert layer.current.number == 1
    for nothing in ({}, {"selectedValues": {"sites": {"annotationId": "99"}}}):
        viewer.actions.invoke("proofdesk-notebook-click", nothing)
        assert layer.current.number == 1


def test_changes_together_are_one_new_address(viewer: Any, layer: SiteLayer) -> None:
    seen: list[str] = []
    viewer.shared_state.add_changed_callback(lambda: seen.append(_url(viewer)))
    with layer.together():
        layer.add([site(4, (400.0, 200.0, 300.0))])
        layer.set_probabilities([f"{4:016x}"], [0.99])
        layer.set_probabilities(["f" * 16], [0.5])
    assert len(seen) == 1
    old = layer.source
    layer.set_probabilities([f"{4:016x}"], [0.1])
    assert _url(viewer) == layer.source.url != old.url


def test_an_answer_can_be_taken_back(layer: SiteLayer) -> None:
    layer.go_next()
    layer.answer(Answer.ACCEPT)
    layer.take_back(f"{2:016x}")
    assert layer.answers == {}
    assert layer.current is not None
    assert layer.current.number == 2


def test_what_is_not_there_is_refused(viewer: Any) -> None:
    with SiteLayer(viewer, BOUNDS, VOXEL) as empty:
        with pytest.raises(InputError, match="no site"):
            empty.answer(Answer.ACCEPT)
        with pytest.raises(InputError, match="not shown"):
            empty.go_to("1" * 16)
        assert empty.go_next() is None


def test_closing_leaves_the_viewer_as_it_was(viewer: Any) -> None:
    layer = SiteLayer(viewer, BOUNDS, VOXEL)
    layer.add([site(1, (100.0, 200.0, 300.0))])
    layer.close()
    assert [each.name for each in viewer.state.layers] == ["mine"]
    viewer.actions.invoke("proofdesk-notebook-next", {})
    assert layer.current is None


def test_a_viewer_without_dimensions_gets_them() -> None:
    bare = neuroglancer.Viewer()
    with SiteLayer(bare, BOUNDS, VOXEL) as layer:
        layer.add([site(1, (100.0, 200.0, 300.0))])
        layer.go_next()
        assert np.allclose(bare.state.position, [10.0, 20.0, 15.0])


def test_the_example_notebook_runs() -> None:
    notebook = json.loads(EXAMPLE.read_text())
    assert notebook["nbformat"] == 4
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(notebook["cells"]):
        assert cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    layer = names["sites"]
    assert len(layer.answers) >= 2
    layer.close()
