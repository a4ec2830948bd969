"""Networks in 8 bits: a model of its own, smaller, and nearly of the same opinion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectome.errors import InputError, ModelError
from inference.datasets.pairs import watershed_pairs
from inference.datasets.views import cut_views
from inference.datasets.volumes import TruthVolume
from inference.models.registry import ModelFolder
from inference.pictures import unpack_pairs

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="training needs the extra `train`")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")

import torch

from inference.judges.onnx_tools import answers, method_for, write_int8
from inference.training.eight_bits import pairs_in_eight_bits
from inference.training.export import write_onnx
from inference.training.quantise import Labelled, quantise
from inference.training.zoo.heads import OneTask
from inference.training.zoo.registry import build
from inference.training.zoo.settings import Architecture
from tests.unit.inference.tables import SHAPES, TASKS, small_network


def _pictures(small_model: ModelFolder, volume: TruthVolume, rows: slice) -> Labelled:
    pairs = watershed_pairs(volume)
    chosen = np.arange(len(pairs.same))[rows]
    spec = small_model.manifest.picture_spec.em_spec()
    views = cut_views(volume, pairs, chosen, pairs.contacts.center[chosen], spec)
    return Labelled({"pictures": unpack_pairs(views.pictures)}, views.same)


def test_a_convolutional_model_in_8_bits_is_a_model_with_its_cost_stated(
    small_model: ModelFolder, volume: TruthVolume, tmp_path: Path
) -> None:
    from inference.judges.onnx import OnnxJudge

    calibration = _pictures(small_model, volume, slice(0, 40))
    held = _pictures(small_model, volume, slice(40, 120))
    report = quantise(small_model.path, tmp_path, calibration.inputs, held)
    assert report.method == "static"
    assert report.pictures == 80
    assert report.largest_change < 0.2
    assert report.largest_change > 0
    assert abs(report.auc[0] - report.auc[1]) < 0.1
    assert report.speed_ratio > 0
    manifest = report.model.manifest
    assert manifest.id == f"{small_model.manifest.id}-int8"
    assert manifest.metrics["int8_largest_change"] == pytest.approx(report.largest_change, abs=1e-4)
    assert OnnxJudge(report.model, threads=1).manifest.sha256 != small_model.manifest.sha256
    with pytest.raises(InputError, match="folder of its own"):
        quantise(small_model.path, small_model.path, calibration.inputs, held)


def test_a_judge_of_pairs_in_8_bits_is_calibrated_anew(
    small_model: ModelFolder, volume_folder: Path, volume: TruthVolume, tmp_path: Path
) -> None:
    report = pairs_in_eight_bits(str(small_model.path), volume_folder, tmp_path / "int8")
    before, after = small_model.manifest, report.model.manifest
    assert after.id == f"{before.id}-int8"
    assert after.calibration.samples == report.pictures > 0
    assert after.calibration.candidate_yes_share == before.calibration.candidate_yes_share
    assert after.out_of_distribution is not None
    assert after.out_of_distribution != before.out_of_distribution
    assert after.training == before.training
    assert after.metrics["calibration_block_pairs"] == report.pictures
    held = _pictures(small_model, volume, slice(0, 40)).inputs
    np.testing.assert_allclose(
        answers(report.model.weights, held), answers(small_model.weights, held), atol=0.5
    )
    other = tmp_path / "other"
    other.mkdir()
    grey = np.load(volume_folder / "em.npz")["em"]
    np.savez(other / "em.npz", em=255 - grey)
    (other / "labels.npz").write_bytes((volume_folder / "labels.npz").read_bytes())
    with pytest.raises(ModelError, match="was not trained on slices"):
        pairs_in_eight_bits(str(small_model.path), other, tmp_path / "never")


def test_whole_numbers_run_through_the_network_from_convolution_to_sum(
    small_model: ModelFolder, volume: TruthVolume, tmp_path: Path
) -> None:
    import onnx

    shown = _pictures(small_model, volume, slice(0, 40)).inputs
    write_int8(small_model.weights, tmp_path / "int8.onnx", shown, "static")
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    weights = [
        values[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in values
        and values[node.input[0]].dtype == np.int8
    ]
    assert weights
    # Seven bits: no product of two of them and a byte overflows 16 bits.
    assert all(np.abs(each.astype(int)).max() <= 64 for each in weights)
    points = [values[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert {point.dtype for point in points} == {np.dtype(np.uint8)}


def test_a_transformer_is_quantised_at_run_time(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = small_network(Architecture.VIT, width=64)
    network = OneTask(build(settings, SHAPES, TASKS), TASKS[0], em=True, geometry=True).eval()
    rng = np.random.default_rng(0)
    inputs = {
        "pictures": rng.random((6, 9, 16, 16), np.float32),
        "geometry": rng.random((6, 3, 7, 16, 16), np.float32),
    }
    before, after = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    write_onnx(network, inputs, before)
    assert method_for(before) == "dynamic"
    write_int8(before, after, inputs, "dynamic")
    assert after.stat().st_size < 0.7 * before.stat().st_size
    np.testing.assert_allclose(answers(after, inputs), answers(before, inputs), atol=0.1)
