from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectome.errors import ModelError, StorageError
from inference.datasets.pairs import watershed_pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.evaluation.metrics import area_under_curve
from inference.evaluation.split_error_correction import evaluate_pairs
from inference.judges.onnx import OnnxJudge
from inference.models.registry import ModelFolder, find_model
from tests.data import shared_data

pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    volume: TruthVolume, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from inference.datasets.folds import FOLDS
    from inference.training.loop import train_network
    from inference.training.material import training_views
    from tests.unit.inference.settings import small_training

    chosen = small_training(epochs=2)
    sets = training_views(volume, FOLDS[0], chosen.spec, chosen.material, tmp_path)
    whole = train_network(sets, chosen.loop)
    checkpoint = tmp_path / "checkpoint.pt"

    def stop(epoch: int, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(sets, chosen.loop, checkpoint, stop)
    resumed = train_network(sets, chosen.loop, checkpoint)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_no_training_picture_is_centred_outside_its_block(
    volume: TruthVolume, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from inference.datasets.folds import FOLDS
    from inference.training.material import reference_views, training_views
    from tests.unit.inference.settings import small_training

    chosen = small_training()
    watershed, _ = training_views(volume, FOLDS[0], chosen.spec, chosen.material, tmp_path)
    reference = reference_views(volume, FOLDS[0], chosen.spec, chosen.material)
    pairs = watershed_pairs(volume)
    z, y, _ = pairs.contacts.center.T
    border = round(volume.em.shape[1] * 0.8)
    assert set(watershed.pair.tolist()) == set(np.flatnonzero((z < 140) & (y < border)).tolist())
    assert set(reference.held_out.pair.tolist()) == set(
        np.flatnonzero((z < 140) & (y >= border)).tolist()
    )


def test_changed_pictures_keep_their_meaning() -> None:
    torch = pytest.importorskip("torch")
    from inference.training.augment import augmented

    pictures = torch.zeros(40, 9, 16, 16)
    pictures[:, 0::3] = 0.5
    pictures[:, 1::3, :, :8] = 1
    pictures[:, 2::3, :, 8:] = 1
    changed = augmented(pictures, torch.Generator().manual_seed(0))
    assert changed.shape == pictures.shape
    masks = changed.reshape(40, 3, 3, 16, 16)[:, :, 1:]
    assert set(torch.unique(masks).tolist()) == {0.0, 1.0}
    assert (masks.sum(dim=2) <= 1).all()
    assert not torch.equal(changed, pictures)


def test_a_folder_with_another_run_is_refused(
    small_model: ModelFolder, volume_folder: Path
) -> None:
    from inference.training.split_error_correction import train_pairs
    from tests.unit.inference.settings import small_training

    with pytest.raises(StorageError, match="other settings"):
        train_pairs(volume_folder, small_model.path, small_training(epochs=3))


def test_evaluation_reports_groups_and_controls(
    small_model: ModelFolder, volume_folder: Path
) -> None:
    report = evaluate_pairs(volume_folder, [str(small_model.path)], threads=1)
    rows = {(row.pairs, row.group): row.figures for row in report.rows}
    assert rows["watershed", "all"].pairs > 20
    blank = rows["watershed", "control: blank pictures"]
    assert blank.auc is not None
    assert blank.auc.value == pytest.approx(0.5)
    assert report.as_json()["models"] == (small_model.manifest.id,)
    figures, differences = report.as_table().split("\n\n")[:2]
    assert figures.count("\n") == len(report.rows) + 1
    assert differences.count("\n") == len(report.differences) + 1
    assert all(row.ece_floor is None or row.ece_floor[0] > 0 for row in report.rows)
    with pytest.raises(ModelError, match="same fold"):
        evaluate_pairs(volume_folder, [str(small_model.path)] * 2)


def test_the_bundled_model_beats_chance_on_pairs_it_never_saw() -> None:
    volume = load_truth_volume(shared_data("fib25"))
    judge = OnnxJudge(find_model("resnet-pairs-fib25-low-int8"), threads=1)
    assert judge.manifest.training.dataset_sha256 == volume.sha256
    from inference.datasets.folds import fold_named

    pairs = watershed_pairs(volume)
    test = np.flatnonzero(fold_named(judge.manifest.training.fold).test(pairs))
    rows = np.random.default_rng(0).choice(test, 80, replace=False)
    spec = judge.manifest.picture_spec.em_spec()
    samples = [pair_sample(volume, pairs, int(i), pairs.contacts.center[i], spec) for i in rows]
    answers = np.array([opinion.probability for opinion in judge.judge(samples)])
    # Chance would have to be lucky beyond one in a thousand to reach this with 80 pairs.
    assert area_under_curve(answers, pairs.same[rows]) > 0.75
