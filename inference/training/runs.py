"""One training run is one folder, and can be made again from what lies in it.

``config.json`` holds the settings, the hash of the pictures and the version of the
code; ``checkpoint.pt`` goes on after the last complete epoch exactly as if nothing had
happened; ``logs`` is for TensorBoard; ``metrics.json`` has every epoch and what the
best one did; ``model.onnx`` and ``manifest.json`` are what a judge loads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from connectome.errors import StorageError
from inference.judges.verdicts import code_version
from inference.models.registry import ModelFolder
from inference.training.batches import Feeder
from inference.training.devices import device_named
from inference.training.run_config import RunConfig
from inference.training.run_export import finished_models
from inference.training.session import Session
from inference.training.tables import PictureTable

__all__ = ["train_run"]

Say = Callable[[str], None]
CONFIG, CHECKPOINT, METRICS = "config.json", "checkpoint.pt", "metrics.json"


def train_run(
    config: RunConfig, data: Path, out: Path, say: Say | None = None
) -> tuple[ModelFolder, ...]:
    """Train a network of the zoo on a table of pictures and write its models.

    Parameters
    ----------
    data : Path
        A folder that `geometry_data.make_table` filled.
    out : Path
        The run's folder. An interrupted run with the same settings goes on from its
        checkpoint.
    say : callable, optional
        Called with one line of progress at a time.

    Returns
    -------
    tuple of ModelFolder
        One for each task: the folder itself where there is one task, else a folder in
        it named after the task.

    Raises
    ------
    InputError
        If the table cannot be read, or does not hold what the settings name.
    MachineError
        If CUDA is asked for and absent.
    StorageError
        If ``out`` holds another run, or cannot be written.
    ModelError
        If pretrained weights cannot be had, or the exported file does not answer like
        the network.
    """
    tell = say or (lambda _: None)
    torch.set_num_threads(config.threads)
    device = device_named(config.device)
    table = PictureTable.open(data)
    _claim(out, config, table)
    session = Session(config, Feeder(table, config, device), data / "features")
    tell(f"{session.words}, on {device.type}")
    _train(session, out, tell)
    session.take_best()
    tell("calibrating, exporting, and answering the test part once")
    models, report = finished_models(session, out)
    _write(out / METRICS, {"epochs": session.history, **report})
    tell(f"wrote {', '.join(str(model.weights) for model in models)}")
    return models


def _train(session: Session, out: Path, tell: Say) -> None:
    checkpoint = out / CHECKPOINT
    if checkpoint.exists():
        session.load(checkpoint)
        tell(f"going on after epoch {session.epoch}")
    while not session.finished:
        line = session.one_epoch()
        session.save(checkpoint)
        _log(out / "logs", session.history[-1])
        tell(line)


def _log(folder: Path, epoch: dict[str, float]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:
        for name, value in epoch.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(epoch["epoch"]))


def _claim(out: Path, config: RunConfig, table: PictureTable) -> None:
    """Make ``out`` the folder of this run and no other."""
    run = {
        "code_version": code_version(),
        "dataset": table.card.dataset,
        "dataset_sha256": table.card.dataset_sha256,
        "pictures_sha256": table.sha256,
        "settings": config.identity(),
    }
    path = out / CONFIG
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != run:
            raise StorageError(
                f"The folder {out} holds a training run with other settings or data.",
                "Name another folder, or remove that one.",
            )
    except (OSError, ValueError) as error:
        raise StorageError(
            f"The folder {out} cannot be used.", "Name a folder that can be written."
        ) from error
    _write(path, run)


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The file {path} cannot be written.", "Make room, or name another folder."
        ) from error
