"""The sources that lie behind what a person names: a folder, a datastack, a file of edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from connectome.datastack import Datastack
from connectome.errors import InputError
from connectome.offline.datastack import OfflineDatastack
from connectome.opening import open_datastack
from inference.datasets.samples import SampleSource
from inference.datasets.sources.corrections import CorrectionSettings
from inference.datasets.sources.cuts import CutSource
from inference.datasets.sources.edit_logs import operations_of_graph, read_edit_log
from inference.datasets.sources.graph_cuts import GraphCutSource
from inference.datasets.sources.history import HistorySettings, HistorySource
from inference.datasets.sources.junctions import JunctionSource
from inference.datasets.sources.pairs import PairSource, truth_of
from inference.datasets.sources.renamed import RenamedSource
from inference.datasets.sources.synthetic import Variant, automatic, merged
from inference.datasets.sources.tips import TipSource
from inference.datasets.volumes import TruthVolume, load_truth_volume
from proofreading.verdicts import Task

__all__ = ["OpenedSources", "opened_sources"]

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class OpenedSources:
    """Sources, the licence where the data states it, and what could not be read."""

    sources: tuple[SampleSource, ...]
    licence: str = ""
    unread: Counter[str] | None = None


@contextmanager
def opened_sources(
    named: str,
    *,
    tasks: Collection[Task] = (),
    log: Path | None = None,
    excluded_bodies: Sequence[int] = (),
    settings: HistorySettings | None = None,
    cache: Path | None = None,
) -> Iterator[OpenedSources]:
    """Open what a person names, for as long as samples are made of it.

    Parameters
    ----------
    named : str
        A folder of a truth volume, the address of a datastack, or a file of edits.
    tasks : collection of Task
        The questions that are wanted; all if empty.
    log : Path, optional
        A file of edits of the datastack, instead of asking its graph for all of them.
    excluded_bodies : sequence of int
        Bodies of a datastack's truth that are no single neuron.
    settings : HistorySettings, optional
        How samples are made of edits.
    cache : Path, optional
        Where skeletons are kept that tips and branch points are found on.

    Raises
    ------
    InputError
        If it is none of these, or has neither truth nor edits.
    ServiceError
        If a server cannot be asked.
    """
    path = Path(named)
    if path.is_file():
        unread: Counter[str] = Counter()
        source = HistorySource(path.stem, read_edit_log(path, unread), settings)
        yield OpenedSources((source,), unread=unread)
    elif (path / "labels.npz").is_file():
        volume = load_truth_volume(path)
        found = [make() for task, make in _of_volume(volume, cache) if not tasks or task in tasks]
        yield OpenedSources(tuple(found), volume.licence)
    else:
        datastack = open_datastack(named)
        try:
            found = _of_truth(datastack, excluded_bodies, tasks, cache)
            history = _history(datastack, log, settings)
            if history is not None:
                found.append(history)
            if not found:
                raise InputError(
                    f"The datastack {datastack.name} has neither a ground truth nor edits.",
                    "Ingest it with --groundtruth, or give a file of edits.",
                )
            yield OpenedSources(tuple(found))
        finally:
            datastack.close()


def _of_volume(
    volume: TruthVolume, cache: Path | None
) -> list[tuple[Task, Callable[[], SampleSource]]]:
    """Return what makes the sources of a volume: real errors, and merges made on purpose."""

    def variants() -> list[Variant]:
        base = automatic(volume)
        return [base, merged(volume, base, seed=1)]

    return [
        (Task.SPLIT_ERROR_CORRECTION, lambda: PairSource(volume)),
        (Task.SPLIT_ERROR_IDENTIFICATION, lambda: TipSource(volume, [automatic(volume)], cache)),
        (Task.MERGE_ERROR_IDENTIFICATION, lambda: JunctionSource(volume, variants(), cache)),
        (Task.SPLIT_ACTION_EVALUATION, lambda: CutSource(volume, variants())),
    ]


def _of_truth(
    datastack: Datastack,
    excluded_bodies: Sequence[int],
    tasks: Collection[Task],
    cache: Path | None,
) -> list[SampleSource]:
    """Return the sources of a datastack's truth; none where it has none."""
    if not isinstance(datastack, OfflineDatastack) or datastack.groundtruth is None:
        return []
    volume, names = truth_of(datastack, excluded_bodies=excluded_bodies)
    excluded = tuple(excluded_bodies)
    ids = names["automatic"]
    made: list[tuple[Task, Callable[[], SampleSource]]] = [
        (Task.SPLIT_ERROR_CORRECTION, lambda: PairSource(volume, names=names)),
        (
            Task.SPLIT_ERROR_IDENTIFICATION,
            lambda: RenamedSource(TipSource(volume, [automatic(volume)], cache), ids),
        ),
        (
            Task.MERGE_ERROR_IDENTIFICATION,
            lambda: RenamedSource(JunctionSource(volume, [automatic(volume)], cache), ids),
        ),
        (
            Task.SPLIT_ACTION_EVALUATION,
            lambda: GraphCutSource(datastack, excluded_bodies=excluded),
        ),
    ]
    return [make() for task, make in made if not tasks or task in tasks]


def _history(
    datastack: Datastack, log: Path | None, settings: HistorySettings | None
) -> HistorySource | None:
    """Return the edits of a datastack; None where there are none."""
    graph = datastack.graph
    if graph is None:
        return None
    if log is not None:
        # A server answers for whole seconds; a millisecond beside the edit may miss it.
        careful = settings or HistorySettings(corrections=CorrectionSettings(step=_SECOND))
        operations = read_edit_log(log, Counter())
        return HistorySource(datastack.name, operations, careful, datastack=datastack)
    roots = [int(root) for root in datastack.segmentation.roots()]
    operations, lineage = operations_of_graph(graph, roots)
    if not operations:
        return None
    return HistorySource(datastack.name, operations, settings, lineage=lineage, datastack=datastack)
