"""The published way of judging touching pairs beside this one, on the same sites in one run.

The published steps, as ConnectomeBench describes them (https://github.com/jffbrwn2/ConnectomeBench):
both segments as meshes around the site, three views of the pair, and a ResNet-50 in eager
PyTorch that looks at them, one pair after the other. Nothing of its code is used, its weights
are random (they change no speed), and fetching over a network is left out.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.demo import ingested_demo
from benchmarks.measured import Measured
from connectome.errors import GraphicsError, MissingPackageError
from connectome.space import BoxNm

if TYPE_CHECKING:
    from connectome.datastack import Datastack, Mesh
    from proofreading.sites import Site
    from rendering.octarine_views import OctarineViews
    from rendering.spec import RenderSpec

__all__ = ["pipeline_of", "pipeline_rows"]

HALF_EXTENT_NM = 2000.0
"""The least that is published for the fly."""
_CROP = 1.2
_LOAD = "processes that want to run"
_VIEWS = 3
_SIZES = {224: 224, 1024: 512}
"""How large views are drawn, and how large the network sees each of them."""
SITES_OF_THEIRS = 8
SITES_OF_OURS = 48


def pipeline_of(folder: Path | None) -> Iterator[Measured]:
    """Measure both ways on pairs of a datastack, the bundled demo's if None."""
    from connectome.opening import open_datastack
    from proofreading.detection.contacts import contact_sites
    from proofreading.detection.settings import DetectionSettings

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        address = folder or ingested_demo(Path(scratch) / "datastack")
        datastack = open_datastack(str(address))
        try:
            yield Measured("load before", os.getloadavg()[0], "", note=_LOAD)
            sites = list(contact_sites(datastack, DetectionSettings()))
            yield from pipeline_rows(datastack, sites)
            yield Measured("load after", os.getloadavg()[0], "", note=_LOAD)
        finally:
            datastack.close()


def pipeline_rows(
    datastack: Datastack,
    sites: Sequence[Site],
    *,
    theirs: int = SITES_OF_THEIRS,
    ours: int = SITES_OF_OURS,
) -> Iterator[Measured]:
    """Measure pairs a second of both ways, and their ratio.

    Parameters
    ----------
    sites : sequence of Site
        Touching pairs. The published way is measured on some of those of which this one is.
    """
    chosen = list(sites)[:: max(1, len(sites) // ours)][:ours]
    few = chosen[:: max(1, len(chosen) // theirs)][:theirs]
    rates: dict[str, float] = {}
    for name, judge in _judges():
        judge.judge_sites(datastack, chosen[:1])
        rates[name] = len(chosen) / _seconds(partial(judge.judge_sites, datastack, chosen))
        yield Measured(f"here: {name}", rates[name], "pairs/s", n=len(chosen))
    if not rates:
        yield Measured("here", None, "pairs/s", note="no bundled judge answers for this datastack")
    for size in _SIZES:
        yield from _their_rows(datastack, few, size, rates)


def _their_rows(
    datastack: Datastack, sites: Sequence[Site], size: int, rates: dict[str, float]
) -> Iterator[Measured]:
    name = f"published: meshes, views of {size} px, ResNet-50"
    try:
        way = _Published.open(datastack, size)
        way.judge(sites[0])
    except (GraphicsError, MissingPackageError) as error:
        yield Measured(name, None, "pairs/s", note=str(error))
        return
    way.spent.clear()
    rate = len(sites) / _seconds(partial(way.judge_all, sites))
    parts = ", ".join(f"{what} {1000 * s / len(sites):.0f} ms" for what, s in way.spent.items())
    yield Measured(name, rate, "pairs/s", n=len(sites), note=f"each pair: {parts}")
    yield Measured(f"{name}, pictures", _VIEWS * rate, "pictures/s", n=_VIEWS * len(sites))
    for ours, quick in rates.items():
        yield Measured(f"here / published at {size} px: {ours}", quick / rate, "times")


def _judges() -> Iterator[tuple[str, Any]]:
    """Yield what answers about pairs here: together, and each way of looking by itself."""
    from app.services.judging import load_panel
    from inference.judges.ensemble import EnsembleJudge
    from inference.judges.verdicts import PicturesJudge
    from proofreading.verdicts import Task

    for judge in load_panel().judges:
        if judge.manifest.task is Task.SPLIT_ERROR_CORRECTION:
            yield "all judges of pairs together", judge
            for member in judge.members if isinstance(judge, EnsembleJudge) else ():
                looks = isinstance(member, PicturesJudge)
                yield ("pictures alone" if looks else "numbers alone"), member


@dataclass(frozen=True)
class _Published:
    """The published steps."""

    datastack: Datastack
    views: OctarineViews
    spec: RenderSpec
    look: Callable[[list[Any]], None]
    spent: dict[str, float]

    @classmethod
    def open(cls, datastack: Datastack, size: int) -> _Published:
        from rendering.octarine_views import octarine_views
        from rendering.spec import RenderSpec

        # Neither fewer vertices nor what else this program adds to a view.
        spec = RenderSpec(half_extent_nm=HALF_EXTENT_NM, size_px=size, detail_px=0.0, ink=0.0)
        return cls(datastack, octarine_views(), spec, _resnet(_SIZES[size]), {})

    def judge_all(self, sites: Sequence[Site]) -> None:
        for site in sites:
            self.judge(site)

    def judge(self, site: Site) -> None:
        from rendering.surfaces import prepared, sound, to_surface

        reach = _CROP * HALF_EXTENT_NM
        box = BoxNm.around(site.point_nm, reach)
        roots = (site.root, site.partners[0].root)
        began = time.perf_counter()
        meshes = _meshes(self.datastack, box, roots)
        meshed = time.perf_counter()
        colors = (self.spec.color_a, self.spec.color_b)
        surfaces = [
            to_surface(prepared(sound(mesh)), site.point_nm, reach, color)
            for mesh, color in zip(meshes, colors, strict=True)
        ]
        pictures = self.views.draw(surfaces, self.spec)
        drawn = time.perf_counter()
        self.look(list(pictures.values()))
        looked = time.perf_counter()
        for what, took in (
            ("meshes", meshed - began),
            ("views", drawn - meshed),
            ("network", looked - drawn),
        ):
            self.spent[what] = self.spent.get(what, 0.0) + took


def _meshes(datastack: Datastack, box: BoxNm, roots: Sequence[int]) -> list[Mesh]:
    """Return the surfaces of segments in a box, by marching cubes."""
    from connectome.offline.surfaces import surfaces

    cutout = datastack.segmentation.read_roots(box)
    small = np.zeros(cutout.data.shape, np.uint32)
    for number, root in enumerate(roots, 1):
        small[cutout.data == np.uint64(root)] = number
    found = surfaces(small, cutout.first_voxel, cutout.scale.voxel_nm)
    return [found[number] for number in range(1, len(roots) + 1)]


def _resnet(size: int) -> Callable[[list[Any]], None]:
    """Return what looks at three views, as one wide picture, and answers nothing of use."""
    try:
        import torch
        from transformers import ResNetConfig, ResNetForImageClassification
    except ImportError as error:
        raise MissingPackageError(
            f"The package {error.name} is not installed.", "Install the extra `train`."
        ) from error
    network: Any = ResNetForImageClassification(ResNetConfig())
    network.train(False)

    def look(views: list[Any]) -> None:
        wide = torch.from_numpy(np.concatenate([np.asarray(view) for view in views], axis=1))
        shown = wide.permute(2, 0, 1)[None].float() / 255
        shown = torch.nn.functional.interpolate(shown, size=(size, _VIEWS * size), mode="bilinear")
        with torch.no_grad():
            network(shown).logits.softmax(-1)

    return look


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
