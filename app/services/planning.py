"""Use-case: what a scan will find, take and cost, before it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.judging import load_panel
from app.services.plan_sampling import JudgeSample, PartSample, Sampler
from app.services.planning_figure import write_figure
from app.services.scan_present import PresentRoots
from app.services.scan_units import judges_of
from connectome.errors import InputError
from connectome.opening import open_datastack
from proofreading.cost.edits import (
    CostModel,
    EditCounts,
    Interval,
    Operation,
    SampleSize,
    Tail,
    edits_of_objects,
    sample_sizes,
)
from proofreading.detection.settings import DetectionSettings

__all__ = ["EditPlan", "Plan", "PlanRequest", "Prices", "plan", "plan_of_history"]

_DRAWS = 1000


@dataclass(frozen=True)
class Prices:
    """What an hour of a core, an hour of a GPU and a GB that is fetched cost."""

    cpu_hour: float = 0.05
    gpu_hour: float = 2.0
    gigabyte: float = 0.0


@dataclass(frozen=True)
class PlanRequest:
    """What to plan.

    Parameters
    ----------
    address : str
        The datastack.
    sample : int
        Blocks, and roots, that are really looked at.
    judged : int
        Sites that each model is asked about.
    models, quick
        As a scan takes them.
    prices : Prices
        What it is paid with.
    seed : int
        What is drawn.
    """

    address: str
    sample: int = 16
    judged: int = 12
    models: tuple[str, ...] = ()
    quick: bool = False
    prices: Prices = Prices()
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """What a scan will find and take; intervals hold the truth for 95 of 100 samples."""

    blocks: int
    roots: int
    sampled_blocks: int
    sampled_roots: int
    sites: Interval
    cpu_hours: Interval
    gpu_hours: Interval
    gigabytes: Interval
    money: Interval


@dataclass(frozen=True)
class EditPlan:
    """What the edits of a history, scaled to a population, take and cost."""

    objects: int
    population: int
    edits: int
    merge_share: float
    mean_edits: Interval
    median_edits: float
    spread_edits: float
    tail: Tail
    total_edits: Interval
    hours: Interval
    money: Interval
    sample_sizes: tuple[SampleSize, ...]
    figure: str


def plan(request: PlanRequest, report: Callable[[str, float | None], None]) -> Plan:
    """Estimate a scan from a sample that is drawn at random and really worked on.

    Seconds are CPU seconds of this machine. Contacts are looked at in blocks with a margin,
    so that a contact broader than that may be counted twice.

    Raises
    ------
    DatastackError, InputError, ModelError
        If the datastack cannot be opened, its roots not be listed, or a model not be used.
    """
    datastack = open_datastack(request.address)
    try:
        roots = PresentRoots(datastack).listed()
        sampler = Sampler(datastack, DetectionSettings())
        rng = np.random.default_rng(request.seed)
        chosen = rng.permutation(len(sampler.blocks))[: request.sample]
        parts = []
        for done, place in enumerate(chosen):
            report("looking at blocks", done / len(chosen))
            parts.append(sampler.block(sampler.blocks[place]))
        report("looking along skeletons", None)
        some = [roots[place] for place in rng.permutation(len(roots))[: request.sample]]
        along = list(sampler.roots(some).values())
        report("asking models", None)
        sites = [site for part in (*parts, *along) for site in part.sites]
        judges = judges_of(load_panel(request.models), quick=request.quick)
        verdicts = sampler.judged(judges, sites, request.judged, request.seed) if sites else []
    finally:
        datastack.close()
    return _plan(request, parts, along, verdicts, len(sampler.blocks), len(roots))


def _plan(
    request: PlanRequest,
    parts: Sequence[PartSample],
    along: Sequence[PartSample],
    verdicts: Sequence[JudgeSample],
    blocks: int,
    roots: int,
) -> Plan:
    rng = np.random.default_rng(request.seed)
    # The first row is the sample itself, the others are drawn from it.
    by_block = _totals(parts, blocks, rng)
    by_root = _totals(along, roots, rng)
    sites, seconds, bytes_read = (a + b for a, b in zip(by_block, by_root, strict=True))
    gpu_seconds = np.zeros(_DRAWS + 1)
    for verdict in verdicts:
        asked = sites * verdict.share
        spent = asked * _drawn(np.array(verdict.seconds), rng)
        gpu_seconds += spent if verdict.gpu else 0.0
        seconds = seconds + (0.0 if verdict.gpu else spent)
        bytes_read = bytes_read + asked * verdict.bytes_read
    prices = request.prices
    money = (
        seconds / 3600 * prices.cpu_hour
        + gpu_seconds / 3600 * prices.gpu_hour
        + bytes_read / 1e9 * prices.gigabyte
    )
    return Plan(
        blocks=blocks,
        roots=roots,
        sampled_blocks=len(parts),
        sampled_roots=len(along),
        sites=_interval(sites),
        cpu_hours=_interval(seconds / 3600),
        gpu_hours=_interval(gpu_seconds / 3600),
        gigabytes=_interval(bytes_read / 1e9),
        money=_interval(money),
    )


def _totals(
    parts: Sequence[PartSample], population: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return sites, seconds and bytes of all, for the sample and for samples drawn from it."""
    if not parts:
        nothing = np.zeros(_DRAWS + 1)
        return nothing, nothing, nothing
    rows = np.array([[len(p.sites), p.seconds, p.bytes_read] for p in parts], np.float64)
    drawn = rows[rng.integers(0, len(rows), (_DRAWS, len(rows)))].mean(axis=1)
    # Of a population that was looked at wholly, nothing is left to chance.
    left = np.sqrt(max(0.0, 1 - len(rows) / population))
    mean = rows.mean(axis=0)
    totals = np.concatenate([mean[None], mean + (drawn - mean) * left]) * population
    return totals[:, 0], totals[:, 1], totals[:, 2]


def _drawn(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    return np.concatenate([[values.mean()], drawn])


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Interval(float(values[0]), float(low), float(high))


def plan_of_history(
    history: Path, model: CostModel, *, population: int | None, figure: Path | None
) -> EditPlan:
    """Return what the edits of a history cost, for a population of objects.

    Parameters
    ----------
    history : Path
        What ``proofdesk history`` wrote, a JSON list of such operations, or a JSON object
        ``{"merges": [...], "splits": [...]}`` with the counts of each object.
    population : int or None
        How many objects there are; those of the history if None.
    figure : Path or None
        Where the four panels go.

    Raises
    ------
    InputError
        If the history cannot be read or holds no edit.
    MissingPackageError
        If matplotlib is not installed.
    """
    counts = _counts(history)
    objects = population or len(counts.edits)
    if figure is not None:
        write_figure(figure, counts, model, objects)
    edits = counts.edits
    return EditPlan(
        objects=len(edits),
        population=objects,
        edits=int(edits.sum()),
        merge_share=counts.merge_share,
        mean_edits=counts.interval(lambda merges, splits: merges + splits),
        median_edits=float(np.median(edits)),
        spread_edits=float(edits.std()),
        tail=counts.tail,
        total_edits=counts.interval(lambda merges, splits: (merges + splits) * objects),
        hours=counts.interval(lambda merges, splits: model.hours(merges, splits) * objects),
        money=counts.interval(lambda merges, splits: model.money(merges, splits) * objects),
        sample_sizes=tuple(sample_sizes(counts)),
        figure="" if figure is None else str(figure),
    )


@dataclass(frozen=True)
class _Edit:
    is_merge: bool
    before_roots: tuple[int, ...]
    after_roots: tuple[int, ...]


def _counts(history: Path) -> EditCounts:
    try:
        text = history.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file {history} cannot be read.", "Choose another file.") from error
    try:
        if text.lstrip().startswith("{") and "merges" in (whole := _object(text)):
            merges, splits = (np.array(whole[name], np.int64) for name in ("merges", "splits"))
            return EditCounts(merges, splits)
        return edits_of_objects(list(_edits(text)))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The file {history} holds no edit history.",
            "Give a file of `proofdesk history`, or counts by object as JSON.",
        ) from error


def _object(text: str) -> Mapping[str, list[int]]:
    """Return the first line, or the whole, as an object: JSON lines begin with one too."""
    try:
        found: Mapping[str, list[int]] = json.loads(text)
    except ValueError:
        return {}
    return found


def _edits(text: str) -> Iterator[Operation]:
    rows = json.loads(text) if text.lstrip().startswith("[") else _lines(text)
    for row in rows:
        yield _Edit(
            bool(row["is_merge"]),
            tuple(int(root) for root in row["before_root_ids"]),
            tuple(int(root) for root in row["after_root_ids"]),
        )


def _lines(text: str) -> Iterator[Mapping[str, list[int]]]:
    for line in text.splitlines():
        if line.strip():
            yield json.loads(line)
