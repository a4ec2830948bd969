"""The judge that measures tips, branch points and cuts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack, present_roots
from connectome.errors import InputError, ModelError, ProofdeskError, VolumeError
from connectome.graph import GraphPoint, SplitRequest
from connectome.space import BoxNm, Cutout, PointNm
from inference.calibration import calibrated
from inference.datasets.cut_labels import sides_of
from inference.features.cuts import cut_features
from inference.features.junctions import junction_features
from inference.features.site_parts import Numbers
from inference.features.site_spec import SiteSpec
from inference.features.site_view import SNAP_NM, view_at
from inference.features.tip_partners import Tip, partner_names, partner_rows
from inference.judges.base import Opinion
from inference.judges.site_scores import site_logits
from inference.judges.tables import TableModel
from inference.judges.verdicts import failed, verdict
from inference.models.manifest import ModelManifest
from inference.models.registry import ModelFolder
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Task, Verdict

__all__ = ["CutProposal", "SiteFeaturesJudge", "cut_numbers", "junction_numbers", "tip_values"]

Values = NDArray[np.float32]
Result = Verdict | FailedVerdict
_CELL_NM = 1000.0


@dataclass(frozen=True)
class CutProposal:
    """A cut of one segment that somebody proposes: points of both sides."""

    root: int
    sources: tuple[GraphPoint, ...]
    sinks: tuple[GraphPoint, ...]

    @classmethod
    def of_site(cls, site: Site) -> CutProposal:
        """Return the cut of a site: from the first partner's own point to the partner's.

        Raises
        ------
        InputError
            If the site proposes no cut of its own segment.
        """
        within = [partner for partner in site.partners if partner.root == site.root]
        if not within:
            raise InputError(
                "This site proposes no cut.", "Set source and sink points first, then ask again."
            )
        sources = tuple(GraphPoint(p.own_supervoxel, p.own_point_nm) for p in within)
        sinks = tuple(GraphPoint(p.supervoxel, p.point_nm) for p in within)
        return cls(site.root, tuple(dict.fromkeys(sources)), tuple(dict.fromkeys(sinks)))


class SiteFeaturesJudge:
    """Answers about tips, branch points or cuts from numbers; a `SiteJudge`.

    Parameters
    ----------
    folder : ModelFolder
        A verified model of one of these tasks with the input kind ``features``.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the model was trained on numbers measured another way.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self._model = TableModel(folder)
        self.spec = SiteSpec(folder.manifest.task)
        contract = self._model.contract
        here = self.spec.hash(contract.features)
        if contract.spec_hash != here:
            raise ModelError(
                f"The model {folder.manifest.id} was trained on numbers measured another way "
                f"(feature spec {contract.spec_hash}) than here ({here}).",
                "Train the model again with this version, or use the version it came with.",
            )

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        return self._model.manifest

    @property
    def provider(self) -> str:
        """Trees run on the processor."""
        return "CPU"

    def judge_sites(self, datastack: Datastack, sites: Sequence[Site]) -> list[Result]:
        """Return one verdict, or the reason for none, for every site."""
        if self.manifest.task is not Task.SPLIT_ERROR_IDENTIFICATION:
            return [self._judged(site, partial(self._values, datastack, site)) for site in sites]
        found: dict[int, Result] = {}
        for group in _neighbours(sites):
            measured = partial(self._tip_values, datastack, [sites[k] for k in group])
            found |= self._judged_together(datastack, sites, group, measured)
        return [found[k] for k in range(len(sites))]

    def judge_cut(self, datastack: Datastack, proposal: CutProposal) -> Opinion:
        """Return what is thought of a proposed cut.

        Raises
        ------
        ModelError
            If the model answers another task.
        ProofdeskError
            If the graph refuses the cut, or voxels cannot be read.
        """
        if self.manifest.task is not Task.SPLIT_ACTION_EVALUATION:
            raise ModelError(
                f"The model {self.manifest.id} does not judge cuts.",
                f"Name a model for {Task.SPLIT_ACTION_EVALUATION.value}.",
            )
        return self._opinion(self._ordered(cut_numbers(datastack, proposal, self.spec)))

    def _judged(self, site: Site, measured: Callable[[], Values]) -> Result:
        try:
            return verdict(self, site, None, self._opinion(measured()))
        except ProofdeskError as error:
            return failed(self, site, None, error)

    def _judged_together(
        self,
        datastack: Datastack,
        sites: Sequence[Site],
        group: Sequence[int],
        measured: Callable[[], list[Values]],
    ) -> dict[int, Result]:
        """Judge tips of one box; where one of them cannot be measured, each on its own."""
        try:
            tables = measured()
        except ProofdeskError as error:
            if len(group) == 1:
                return {group[0]: failed(self, sites[group[0]], None, error)}
            return {
                k: self._judged(sites[k], partial(self._alone, datastack, sites[k])) for k in group
            }
        return {
            k: verdict(self, sites[k], None, self._opinion(table))
            for k, table in zip(group, tables, strict=True)
        }

    def _alone(self, datastack: Datastack, site: Site) -> Values:
        return self._tip_values(datastack, [site])[0]

    def _tip_values(self, datastack: Datastack, sites: Sequence[Site]) -> list[Values]:
        roots = present_roots(datastack, [site.supervoxel for site in sites])
        asked = [(r, s.point_nm, s.radius_nm) for r, s in zip(roots, sites, strict=True)]
        names = partner_names(self.spec.pairs)
        place = {name: index for index, name in enumerate(names)}
        columns = [place[name] for name in self._model.contract.features]
        return [values[:, columns] for values in tip_values(datastack, asked, self.spec)]

    def _values(self, datastack: Datastack, site: Site) -> Values:
        """Return the row of a branch point or cut, shape (1, d)."""
        if self.manifest.task is Task.SPLIT_ACTION_EVALUATION:
            return self._ordered(cut_numbers(datastack, CutProposal.of_site(site), self.spec))
        (root,) = present_roots(datastack, [site.supervoxel])
        return self._ordered(junction_numbers(datastack, root, site.point_nm, self.spec))

    def _ordered(self, numbers: Numbers) -> Values:
        row = [numbers.get(name, float("nan")) for name in self._model.contract.features]
        values = np.array([row], np.float32)
        return np.where(np.isfinite(values), values, np.float32(np.nan))

    def _opinion(self, values: Values) -> Opinion:
        started = time.perf_counter()
        rows = np.zeros(len(values), np.int64)
        strange: float | None = None
        logits = np.zeros(0)
        if len(values):
            _, logits, distances = self._model.answers(values)
            strange = None if distances is None else float(np.median(distances))
        score = site_logits(logits, rows, 1)
        chance = float(calibrated(score, self.manifest.calibration)[0])
        latency = (time.perf_counter() - started) * 1000
        return Opinion(chance, float(score[0]), strange, latency)


def junction_numbers(datastack: Datastack, root: int, point_nm: PointNm, spec: SiteSpec) -> Numbers:
    """Measure a place of a segment, as `junction_features` does."""
    return junction_features(view_at(datastack, root, point_nm, spec.half_nm))


AskedTip = tuple[int, PointNm, float]
"""A tip's segment, its place and its radius in nm."""


def tip_values(datastack: Datastack, asked: Sequence[AskedTip], spec: SiteSpec) -> list[Values]:
    """Measure the neighbours of tips near each other, a table (n, d) for each tip.

    Raises
    ------
    VolumeError
        If the datastack has no microscopy.
    InputError
        If a segment is no longer near its tip.
    """
    points = np.array([point for _, point, _ in asked])
    low, high = points.min(axis=0) - spec.half_nm, points.max(axis=0) + spec.half_nm
    roots, em = _read(datastack, BoxNm(_point(low), _point(high)))
    names, small = np.unique(roots.data, return_inverse=True)
    labels = (small.reshape(roots.data.shape) + int(names[0] != 0)).astype(np.int32)
    tips = [_tip(roots, labels, *tip) for tip in asked]
    rows = partner_rows(em.data, labels, tips, roots.scale.voxel_nm, spec.pairs)
    return [rows.values[rows.tip == number] for number in range(len(tips))]


def _tip(
    roots: Cutout, labels: NDArray[np.int32], root: int, point_nm: PointNm, radius_nm: float
) -> Tip:
    scale = roots.scale
    first, last = scale.clip(BoxNm.around(point_nm, SNAP_NM))
    corner = np.array(first)[::-1] - np.array(roots.first_voxel)[::-1]
    size = np.array(last)[::-1] - np.array(first)[::-1]
    window = tuple(slice(int(a), int(a + n)) for a, n in zip(corner, size, strict=True))
    places = np.argwhere(roots.data[window] == root) + corner
    centers = (places[:, ::-1] + roots.first_voxel + 0.5) * np.asarray(scale.voxel_nm)
    apart = ((centers - np.asarray(point_nm)) ** 2).sum(axis=1)
    if not len(places) or apart.min() > SNAP_NM**2:
        raise InputError(
            "The segment is no longer near the site.", "It was edited since; detect sites again."
        )
    z, y, x = (int(v) for v in places[int(apart.argmin())])
    bounds = scale.bounds_nm
    room = min(
        min(p - a, b - p) for a, p, b in zip(bounds.lower, point_nm, bounds.upper, strict=True)
    )
    return Tip(int(labels[z, y, x]), (z, y, x), radius_nm, room)


def _neighbours(sites: Sequence[Site]) -> list[list[int]]:
    """Return the sites by cells of one micrometre, so that tissue is filtered once for many."""
    cells: dict[tuple[int, ...], list[int]] = {}
    for index, site in enumerate(sites):
        cells.setdefault(tuple(int(v // _CELL_NM) for v in site.point_nm), []).append(index)
    return list(cells.values())


def _point(values: NDArray[np.float64]) -> PointNm:
    x, y, z = (float(v) for v in values)
    return (x, y, z)


def cut_numbers(datastack: Datastack, proposal: CutProposal, spec: SiteSpec) -> Numbers:
    """Ask the graph what a cut would do, and measure it as `cut_features` does.

    Raises
    ------
    InputError
        If the datastack takes no edits, or the cut does not separate the points.
    EditRejectedError
        If the graph refuses the cut.
    """
    if datastack.graph is None:
        raise InputError("This datastack takes no cuts.", "Open one that has a graph.")
    preview = datastack.graph.preview_split(SplitRequest(proposal.sources, proposal.sinks))
    if preview.illegal or len(preview.parts) < 2:
        raise InputError("The cut does not separate the points.", "Set other points.")
    points = np.array([p.position_nm for p in (*proposal.sources, *proposal.sinks)])
    x, y, z = (float(v) for v in points.mean(axis=0))
    reach = float(np.abs(points - [x, y, z]).max()) + spec.half_nm
    supervoxels = datastack.segmentation.read_supervoxels(BoxNm.around((x, y, z), reach))
    sides = _sides(supervoxels, sides_of(preview))
    middle = _middle(sides)
    view = view_at(datastack, proposal.root, middle, spec.half_nm)
    box = datastack.segmentation.read_supervoxels(BoxNm.around(middle, spec.half_nm))
    return cut_features(view, view.aligned(_sides(box, sides_of(preview))))


def _sides(supervoxels: Cutout, side_of: dict[int, int]) -> Cutout:
    names, small = np.unique(supervoxels.data, return_inverse=True)
    side = np.array([side_of.get(int(name), 0) for name in names.tolist()], np.uint8)
    data = side[small].reshape(supervoxels.data.shape)
    return Cutout(data, supervoxels.first_voxel, supervoxels.scale)


def _middle(sides: Cutout) -> PointNm:
    """Return the voxel of the cut nearest to the middle of the cut."""
    data, found = sides.data, []
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = data[tuple(low)], data[tuple(high)]
        found.append(np.argwhere((a != b) & (a > 0) & (b > 0)))
    faces = np.concatenate(found)
    if not len(faces):
        raise InputError(
            "The two sides of the cut do not touch near its points.",
            "Set the points nearer to where the segment should be cut.",
        )
    apart = ((faces - faces.mean(axis=0)) ** 2).sum(axis=1)
    z, y, x = (int(v) for v in faces[int(apart.argmin())])
    first = sides.first_voxel
    return sides.scale.center_of((first[0] + x, first[1] + y, first[2] + z))


def _read(datastack: Datastack, box: BoxNm) -> tuple[Cutout, Cutout]:
    if datastack.imagery is None:
        raise VolumeError(
            "This datastack shows no microscopy.",
            "Judges look at the microscopy; answer these sites without one.",
        )
    roots = datastack.segmentation.read_roots(box)
    return roots, datastack.imagery.read(roots.bounds_nm)
