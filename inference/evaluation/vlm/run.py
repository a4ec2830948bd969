"""Evaluating a language model: its own answers, the ablations, and what votes add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from connectome.datastack import Datastack
from connectome.errors import InputError, StorageError
from inference.datasets.samples import Part
from inference.datasets.store import read_dataset
from inference.evaluation.vlm.asking import Asker, Said, closing_model
from inference.evaluation.vlm.conditions import Condition, conditions_for
from inference.evaluation.vlm.figures import (
    ConditionFigures,
    VoteFigures,
    condition_figures,
    vote_figures,
)
from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.folder import load_of, spec_of
from inference.judges.vlm.process import VlmProcess
from inference.judges.vlm.protocol import Load
from inference.judges.vlm.stored import Showing, Shown, show_samples
from inference.models.registry import ModelFolder
from rendering.backend import ViewBackend

__all__ = ["Evaluated", "Votes", "evaluate_vlm", "write_said"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Votes:
    """Sampled answers to each question, and how free the sampling is."""

    draws: int = 0
    temperature: float = 0.7


@dataclass(frozen=True)
class Evaluated:
    """What was found.

    Parameters
    ----------
    same_dataset : bool
        Whether it is the data set that the model was trained on: only of that one is it
        known that its test part was kept from the model.
    left_out : dict
        Questions that could not be shown, by the reason.
    said : tuple of Said
        Every answer.
    """

    model: str
    task: str
    dataset: str
    dataset_sha256: str
    same_dataset: bool
    left_out: dict[str, int]
    figures: tuple[ConditionFigures, ...]
    votes: VoteFigures | None
    said: tuple[Said, ...]

    def as_json(self) -> dict[str, Any]:
        """Return everything but the single answers."""
        told = asdict(self)
        del told["said"]
        return told

    def as_table(self) -> str:
        """Return the figures as lines of text."""
        head = ("condition", "questions", "read", "balanced accuracy", "AUC", "s each")
        rows = [head]
        for one in self.figures:
            accuracy = str(one.balanced_accuracy or "–")
            rows.append(
                (
                    one.condition,
                    str(one.questions),
                    f"{one.read:.2f}",
                    accuracy,
                    str(one.auc or "–"),
                    f"{one.seconds_each:.3f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        lines += [] if self.votes is None else [_vote_line(self.votes)]
        if not self.same_dataset:
            lines.append("Not the data set it was trained on: places may overlap.")
        return "\n".join(lines)


def evaluate_vlm(
    folder: ModelFolder,
    data: Path,
    datastack: Datastack,
    *,
    cache: Path,
    most: int | None = None,
    votes: Votes | None = None,
    say: Say | None = None,
    views: ViewBackend | None = None,
    start: Callable[[Load], LanguageModel] = VlmProcess,
) -> Evaluated:
    """Ask a model about the test part of a data set under every condition.

    Parameters
    ----------
    cache : Path
        Where pictures are kept.
    votes : Votes or None
        Sampled answers as well.
    start : callable
        Makes what answers of what is to be loaded. For anything but a process of ours,
        there is no base model to compare with.

    Raises
    ------
    InputError
        If the test part has no question of this task that can be shown.
    ModelError
        If the model cannot be loaded, or does not answer.
    """
    told = say or (lambda _: None)
    spec, load, dataset = spec_of(folder.manifest), _load(folder, start), read_dataset(data)
    showing = Showing(spec, cache, most, views)
    shown = show_samples(dataset, Part.TEST, datastack, showing, told)
    if not shown.samples:
        raise InputError(
            f"The test part of {data} has no {spec.task.value} that can be shown.",
            "Give a data set with a test part, and the datastack it was built from.",
        )
    conditions = conditions_for(spec, has_adapter=load.adapter is not None)
    said: list[Said] = []
    with closing_model(start(load)) as model:
        asker = Asker(model, shown, spec.most_tokens)
        for condition in conditions:
            if condition.adapter or load.adapter is None:
                said += asker.under(condition, told)
        wanted = votes or Votes()
        sampled = asker.sampled(conditions[0], wanted.draws, wanted.temperature, told)
    said += _base_said(conditions, load, shown, spec.most_tokens, start, told)
    return Evaluated(
        model=folder.manifest.id,
        task=spec.task.value,
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        same_dataset=dataset.sha256 == folder.manifest.training.dataset_sha256,
        left_out=dict(shown.left_out),
        figures=tuple(
            condition_figures(
                [one for one in said if one.condition == condition.name],
                folder.manifest.calibration,
            )
            for condition in conditions
        ),
        votes=vote_figures(sampled, wanted.temperature) if sampled else None,
        said=(*said, *sampled),
    )


def write_said(said: Sequence[Said], path: Path) -> None:
    """Write every prompt, answer and label as Parquet.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.write_table(pa.Table.from_pylist([asdict(one) for one in said]), path)
    except OSError as error:
        raise StorageError(
            f"The table {path} cannot be written.", "Name a file that can be written."
        ) from error


def _load(folder: ModelFolder, start: Callable[[Load], LanguageModel]) -> Load:
    """Return what is loaded; a server has loaded what it has, with an adapter or without."""
    if start is VlmProcess:
        return load_of(folder)
    return Load(model=spec_of(folder.manifest).base)


def _base_said(
    conditions: Sequence[Condition],
    load: Load,
    shown: Shown,
    most_tokens: int,
    start: Callable[[Load], LanguageModel],
    say: Say,
) -> list[Said]:
    """Ask the base model, in a process of its own: two models may not fit into memory."""
    if load.adapter is None:
        return []
    (base,) = (condition for condition in conditions if not condition.adapter)
    with closing_model(start(load.model_copy(update={"adapter": None}))) as model:
        return Asker(model, shown, most_tokens).under(base, say)


def _vote_line(votes: VoteFigures) -> str:
    def shown(figure: float | None) -> str:
        return "–" if figure is None else f"{figure:.3f}"

    return (
        f"{votes.draws} samples at temperature {votes.temperature:g}: read {votes.read:.2f}, "
        f"one alone {shown(votes.one_alone)}, majority {shown(votes.majority)} (balanced "
        f"accuracy), disagreement tells wrong answers with AUC {shown(votes.auc_for_wrong)}"
    )
