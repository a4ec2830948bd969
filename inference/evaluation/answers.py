"""What judges answered, with the truth beside it: one table for every task, kept as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, StorageError
from inference.datasets.samples import Part
from proofreading.verdicts import Task

__all__ = ["AS_RECORDED", "Answers", "read_answers", "write_answers"]

AS_RECORDED = "as recorded"
"""The condition of a volume that nobody degraded, asked about without a control."""

Strings = NDArray[np.object_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Columns of shape (n,), a row for each answer of a judge to a question.

    Parameters
    ----------
    task, dataset, source : ndarray of str
        The question, the volume, and what the questions were made from (such as
        ``watershed`` or ``automatic``).
    sample : ndarray of str
        Which question: the same for every judge and condition.
    group : ndarray of int
        What questions have in common (a true body); 0 where nothing is known.
    truth : ndarray of bool
        Whether yes is right.
    probability, logit : ndarray of float
        The calibrated answer, and the score before.
    shown : ndarray of float
        The chance shown to a person, with the candidates' share of yes.
    even : ndarray of float
        The chance if yes and no were equally frequent: balanced accuracy calls it a yes
        above 0.5.
    ood : ndarray of float
        Distance from the training data as a share of what 95 % of usual inputs stay
        below: above 1 is unusual. NaN where the model has no statistics.
    judge, model : ndarray of str
        How the judge is called in tables, and the id of the model that answered.
    part : ndarray of str
        A `Part`: what the question may be used for with this model.
    condition : ndarray of str
        ``as recorded``, a degradation, or a control.
    unseen : ndarray of bool
        Whether the model saw none of the bodies in training.
    synthetic : ndarray of bool
        Whether the error was made by us.
    """

    task: Strings
    dataset: Strings
    source: Strings
    sample: Strings
    group: NDArray[np.int64]
    truth: NDArray[np.bool_]
    probability: Floats
    logit: Floats
    shown: Floats
    even: Floats
    ood: Floats
    judge: Strings
    model: Strings
    part: Strings
    condition: Strings
    unseen: NDArray[np.bool_]
    synthetic: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def of(
        cls,
        *,
        task: Task,
        dataset: str,
        source: str,
        judge: str,
        model: str,
        sample: Sequence[str],
        truth: NDArray[np.bool_],
        probability: Floats,
        logit: Floats,
        shown: Floats | None = None,
        even: Floats | None = None,
        ood: Floats | None = None,
        group: NDArray[np.integer] | None = None,
        unseen: NDArray[np.bool_] | None = None,
        synthetic: NDArray[np.bool_] | None = None,
        part: Part = Part.TEST,
        condition: str = AS_RECORDED,
    ) -> Answers:
        """Return the table of one judge's answers; what is not given is not known."""
        count = len(truth)
        known = {
            "task": task.value,
            "dataset": dataset,
            "source": source,
            "judge": judge,
            "model": model,
            "part": part.value,
            "condition": condition,
        }
        return cls(
            **{name: np.full(count, value, object) for name, value in known.items()},
            sample=np.array(sample, object).reshape(count),
            group=np.zeros(count, np.int64) if group is None else np.asarray(group, np.int64),
            truth=np.asarray(truth, np.bool_),
            probability=np.asarray(probability, np.float64),
            logit=np.asarray(logit, np.float64),
            shown=np.asarray(probability if shown is None else shown, np.float64),
            even=np.asarray(probability if even is None else even, np.float64),
            ood=np.full(count, np.nan) if ood is None else np.asarray(ood, np.float64),
            unseen=np.zeros(count, np.bool_) if unseen is None else unseen,
            synthetic=np.zeros(count, np.bool_) if synthetic is None else synthetic,
        )

    @classmethod
    def concatenated(cls, parts: Sequence[Answers]) -> Answers:
        """Return all rows of several tables.

        Raises
        ------
        InputError
            If there is no table.
        """
        if not parts:
            raise InputError("There are no answers.", "Ask a judge first.")
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )

    def rows(self, chosen: NDArray[Any]) -> Answers:
        """Return some rows, named by a mask or by their numbers."""
        return Answers(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def where(self, **wanted: str | bool) -> Answers:
        """Return the rows that have these values in these columns."""
        kept = np.ones(len(self), np.bool_)
        for name, value in wanted.items():
            kept &= getattr(self, name) == value
        return self.rows(kept)

    def values(self, column: str) -> list[str]:
        """Return the values of a column in the order in which they first come."""
        return list(dict.fromkeys(getattr(self, column).tolist()))


def write_answers(answers: Answers, path: Path) -> None:
    """Write a table as Parquet.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f.name: getattr(answers, f.name) for f in fields(answers)}
    table = pa.table({name: pa.array(values.tolist()) for name, values in columns.items()})
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise StorageError(
            f"The table {path} cannot be written.", "Name a file that can be written."
        ) from error


def read_answers(path: Path) -> Answers:
    """Read a table that `write_answers` wrote.

    Raises
    ------
    InputError
        If it is missing, or no such table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"group": np.int64, "truth": np.bool_, "unseen": np.bool_, "synthetic": np.bool_}
    kinds |= dict.fromkeys(("probability", "logit", "shown", "even", "ood"), np.float64)
    try:
        table = pq.read_table(path)
        columns = {f.name: table.column(f.name).to_pylist() for f in fields(Answers)}
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"The file {path} holds no answers of judges.",
            "Name a file that `proofdesk evaluate … --answers` wrote.",
        ) from error
    return Answers(**{n: np.array(v, kinds.get(n, np.object_)) for n, v in columns.items()})
