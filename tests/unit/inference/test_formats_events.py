from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from connectome.errors import InputError
from inference.datasets.formats.base import Format
from inference.datasets.formats.detect import detect_format
from inference.datasets.formats.exchange import import_samples
from inference.datasets.samples import Origin
from proofreading.verdicts import Task
from tests.data import shared_data


def test_real_split_operations_are_merge_errors() -> None:
    found = import_samples(shared_data("microns_split_operations.json"))
    counts = Counter((sample.task, sample.label) for sample in found.samples)
    assert counts[Task.MERGE_ERROR_IDENTIFICATION, True] == 158
    assert counts[Task.SPLIT_ERROR_CORRECTION, False] == 158
    assert {sample.origin for sample in found.samples} == {Origin.HISTORY}
    assert {sample.dataset for sample in found.samples} == {"minnie65_public"}
    assert found.format is Format.EVENTS
    first = found.samples[0]
    assert (first.operation_id, first.segments) == (254620, (864691136874805614,))


def test_events_take_the_two_largest_of_more_segments(tmp_path: Path) -> None:
    event = {
        "neuron_id": 5, "timestamp": 1624546705, "prev_timestamp": 1624546704, "is_merge": True,
        "operation_id": 1, "interface_point": [1.0, 2.0, 3.0], "before_root_ids": [11, 12, 13],
        "before_vertex_counts": {"11": 9000, "12": 4000, "13": 1200}, "after_root_ids": [14],
        "merged_neuron_id": 14, "species": "fly",
    }  # fmt: skip
    nowhere = {**event, "operation_id": 2, "interface_point": None}
    path = tmp_path / "events.json"
    path.write_text(json.dumps([event, nowhere, event]))
    found = import_samples(path)
    pairs = [s for s in found.samples if s.task is Task.SPLIT_ERROR_CORRECTION]
    assert [(pair.segments, pair.label) for pair in pairs] == [((11, 12), True)]
    assert found.dropped == {"edits without a place": 1, "edits that stand twice": 1}


def test_a_damaged_list_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    path.write_text('[{"operation_id": 1, ')
    assert detect_format(path) is Format.EVENTS
    with pytest.raises(InputError, match="damaged"):
        import_samples(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="no list of edits"):
        import_samples(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="No labelled question"):
        import_samples(path)
