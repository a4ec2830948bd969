"""The command that trains the judge of split errors: pictures, network, calibration, model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from inference.calibration import fit_temperature, yes_share
from inference.datasets.folds import Fold, fold_named
from inference.datasets.pairs import automatic_pairs
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.judges.verdicts import code_version
from inference.models.manifest import (
    InputContract,
    ModelManifest,
    PictureSpec,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.pictures import NORMALISATION, channel_names
from inference.training.blocks import held_out_block, held_out_metrics
from inference.training.export import (
    OPSET,
    export_onnx,
    feature_statistics,
    network_answers,
)
from inference.training.loop import LoopConfig, finished_network, train_network
from inference.training.material import MaterialConfig, reference_views, training_views
from inference.training.network import PairNetwork
from inference.training.run_folder import claim
from proofreading.verdicts import Task
from rendering.spec import EMSpec

__all__ = ["PairTraining", "train_pairs"]

Say = Callable[[str], None]

EPOCHS = {"low": 12, "high": 18, "middle": 20}
"""Epochs per fold: where a block has fewer pairs, more, so about as many steps."""


@dataclass(frozen=True)
class PairTraining:
    """Everything that decides what comes out of a training run, besides the data."""

    fold: str = "low"
    spec: EMSpec = field(default_factory=EMSpec)
    material: MaterialConfig = field(default_factory=MaterialConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    @classmethod
    def of_fold(cls, fold: str, *, epochs: int | None = None, threads: int = 1) -> PairTraining:
        """Return the settings of the shipped model of a fold."""
        chosen = EPOCHS[fold_named(fold).name] if epochs is None else epochs
        return cls(fold=fold, loop=LoopConfig(epochs=chosen, threads=threads))


def train_pairs(
    data: Path, out: Path, settings: PairTraining | None = None, say: Say | None = None
) -> ModelFolder:
    """Train on one fold of a truth volume and write a model folder.

    Parameters
    ----------
    data : Path
        Folder with ``em.npz`` and ``labels.npz``.
    out : Path
        Where ``model.onnx``, ``manifest.json``, ``config.json`` and the checkpoint go.
        An interrupted run with the same settings goes on from its checkpoint.
    say : callable, optional
        Called with one line of progress at a time.

    Raises
    ------
    VolumeError
        If the data cannot be read.
    StorageError
        If ``out`` holds a run with other settings, or cannot be written.
    ModelError
        If the exported file does not answer like the network.
    """
    chosen = PairTraining() if settings is None else settings
    tell = say or (lambda _: None)
    fold = fold_named(chosen.fold)
    volume = load_truth_volume(data)
    _claim(out, chosen, volume)
    network = finished_network(out / "checkpoint.pt", chosen.loop)
    if network is None:
        network = _trained(volume, fold, chosen, out, tell)
    tell("calibrating and exporting")
    manifest = _finished(network, volume, fold, chosen, out)
    write_manifest(out, manifest)
    tell(f"wrote {out / manifest.file} and its manifest")
    return find_model(str(out))


def _trained(
    volume: TruthVolume, fold: Fold, settings: PairTraining, out: Path, tell: Say
) -> PairNetwork:
    with tempfile.TemporaryDirectory(prefix="proofdesk-train-") as scratch:
        tell(f"cutting the pictures of {volume.name}, fold {fold.name}")
        sets = training_views(volume, fold, settings.spec, settings.material, Path(scratch))
        tell(f"{len(sets[0])} watershed and {len(sets[1])} coarser pictures")
        return train_network(
            sets,
            settings.loop,
            out / "checkpoint.pt",
            lambda epoch, loss: tell(f"epoch {epoch} of {settings.loop.epochs}: loss {loss:.4f}"),
        )


def _claim(out: Path, settings: PairTraining, volume: TruthVolume) -> None:
    """Make ``out`` the folder of this run and no other."""
    # How many cores it uses does not change what a run is.
    same_run = replace(settings, loop=replace(settings.loop, threads=1))
    config = {"dataset_sha256": volume.sha256, "settings": asdict(same_run)}
    claim(out, config)


def _finished(
    network: PairNetwork, volume: TruthVolume, fold: Fold, settings: PairTraining, out: Path
) -> ModelManifest:
    reference = reference_views(volume, fold, settings.spec, settings.material)
    logits, held_features = network_answers(network, reference.held_out)
    _, features = network_answers(network, reference.typical)
    truth = reference.held_out.same
    candidates = _candidate_share(volume, fold)
    calibration = fit_temperature(logits, truth, reference.held_out_block, candidates)
    digest = export_onnx(network, settings.spec.size_px, out / "model.onnx", reference.held_out)
    return ModelManifest(
        id=f"resnet-pairs-{volume.name}-{fold.name}",
        task=Task.SPLIT_ERROR_CORRECTION,
        sha256=digest,
        onnx_opset=OPSET,
        parameters=sum(p.numel() for p in network.parameters()),
        input=InputContract(
            channels=channel_names(settings.spec),
            size_px=settings.spec.size_px,
            normalisation=NORMALISATION,
        ),
        pictures=PictureSpec.of(settings.spec),
        labels=("two neurons", "one neuron"),
        calibration=calibration,
        out_of_distribution=feature_statistics(features, held_features),
        training=_record(volume, fold, settings, len(reference.typical)),
        metrics=held_out_metrics(logits, truth, calibration),
        licence=f"weights GPL-3.0-or-later; trained on {volume.name}, {volume.licence}",
        code_version=code_version(),
    )


def _candidate_share(volume: TruthVolume, fold: Fold) -> float:
    """Return how often touching automatic segments of the training block are one body."""
    pairs = automatic_pairs(volume)
    return yes_share(pairs.same[fold.train(pairs)])


def _record(volume: TruthVolume, fold: Fold, settings: PairTraining, pairs: int) -> TrainingRecord:
    depth = volume.em.shape[0]
    return TrainingRecord(
        dataset=volume.name,
        dataset_sha256=volume.sha256,
        fold=fold.name,
        trained_on=f"contacts in sections {fold.training_sections(depth)}",
        must_not_be_tested_on=f"anything but contacts in sections {fold.test_sections(depth)}",
        held_out_blocks=(held_out_block(fold, volume),),
        pairs=pairs,
        seed=settings.loop.seed,
        epochs=settings.loop.epochs,
        licence=volume.licence,
    )
