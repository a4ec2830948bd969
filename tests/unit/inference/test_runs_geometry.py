"""From questions about a datastack to a table, a run, and a judge of its sites."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("numba", reason="drawing needs the extra `render`")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
pytest.importorskip("cc3d", reason="making a datastack needs the extra `offline`")

from connectome.datastack import Datastack
from connectome.offline.ingest import IngestRequest, ingest
from connectome.opening import open_datastack
from connectome.space import PointNm
from inference.datasets.contacts import contact_center
from inference.datasets.samples import Origin, Part, Sample
from inference.datasets.volumes import TruthVolume
from inference.judges.registry import site_judge
from inference.training.geometry_data import make_table
from inference.training.runs import train_run
from inference.training.tables import PARTS, TableCard
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import Task, Verdict
from rendering.geometry import GeometrySpec
from rendering.spec import EMSpec
from tests.unit.inference.tables import small_run

PAIR = Task.SPLIT_ERROR_CORRECTION
CARD = TableCard(
    dataset="invented",
    dataset_sha256="1" * 64,
    licence="none",
    tasks=(PAIR,),
    em=EMSpec(half_extent_nm=80.0, size_px=16),
    geometry=GeometrySpec(half_extent_nm=160.0, size_px=16),
)


@pytest.fixture(scope="module")
def stack(volume: TruthVolume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stack") / "datastack"
    request = IngestRequest(
        em=volume.em[:60],
        segmentation=volume.supervoxels[:60],
        supervoxels=volume.supervoxels[:60],
        resolution_nm=(10.0, 10.0, 10.0),
        name="offline_invented",
        out=out,
    )
    ingest(request, lambda _label, _fraction: None)
    return out


def _touching(stack: Path, most: int = 24) -> list[tuple[int, int, PointNm]]:
    opened = open_datastack(str(stack))
    cutout = opened.segmentation.read_roots(opened.segmentation.scales[0].bounds_nm)
    data = cutout.data
    pairs = np.stack([data[:, :, :-1].ravel(), data[:, :, 1:].ravel()], axis=1)
    unique = np.unique(np.sort(pairs[(pairs[:, 0] != pairs[:, 1]) & pairs.all(axis=1)]), axis=0)
    found = []
    for a, b in unique[:: max(len(unique) // most, 1)][:most]:
        voxel = contact_center(data, int(a), int(b))
        assert voxel is not None
        z, y, x = (int(v) for v in voxel)
        found.append((int(a), int(b), cutout.scale.center_of((x, y, z))))
    opened.close()
    return found


def _labelled(pairs: list[tuple[int, int, PointNm]]) -> list[tuple[Sample, Part]]:
    parts = (Part.TRAIN, Part.VALIDATION, Part.TEST)
    return [
        (
            Sample(
                id=f"{number:016x}",
                task=PAIR,
                dataset="invented",
                origin=Origin.TRUTH,
                strategy="touching pair",
                label=number % 2 == 0,
                synthetic=False,
                point_nm=point,
                segments=(a, b),
                bodies=(number + 1,),
            ),
            parts[number // 2 % 3],
        )
        for number, (a, b, point) in enumerate(pairs)
    ]


def _site(opened: Datastack, a: int, b: int, point: PointNm) -> Site:
    """Return the site of a pair, at those voxels of both that are nearest to the point."""
    bounds = opened.segmentation.scales[0].bounds_nm
    roots = opened.segmentation.read_roots(bounds)
    supervoxels = opened.segmentation.read_supervoxels(bounds).data
    ends = []
    for root in (a, b):
        voxels = np.argwhere(roots.data == root)
        away = np.abs((voxels[:, ::-1] + 0.5) * 10 - point).sum(axis=1)
        z, y, x = (int(v) for v in voxels[away.argmin()])
        ends.append((int(supervoxels[z, y, x]), roots.scale.center_of((x, y, z))))
    (own, own_point), (other, other_point) = ends
    return Site(
        id="0" * 16,
        kind=SiteKind.ENDPOINT,
        datastack="invented",
        root=a,
        supervoxel=own,
        point_nm=own_point,
        radius_nm=50.0,
        detector="test/1",
        partners=(Partner(b, other, own, own_point, other_point, 0.0, 100.0, 1.0),),
    )


def test_questions_become_pictures_and_pictures_a_judge(stack: Path, tmp_path: Path) -> None:
    pairs = _touching(stack)
    labelled = _labelled(pairs)
    lost = replace(labelled[0][0], segments=(1, 2))
    opened = open_datastack(str(stack))
    table = make_table([*labelled, (lost, Part.TEST)], opened, tmp_path / "table", CARD)
    assert sum(table.card.left_out.values()) == 1
    assert table.labels[-1, 0] == -1
    assert PARTS[table.part[-1]] is Part.BUFFER
    assert table.geometry is not None
    assert table.pictures is not None
    both = (table.geometry[:-1, :, 5:7].max(axis=(1, 3, 4)) > 0).all(axis=1)
    assert both.mean() > 0.9
    assert (np.asarray(table.pictures[:-1, :, 1]).max(axis=(1, 2, 3)) == 2).all()
    (model,) = train_run(small_run(epochs=1, batch=4), tmp_path / "table", tmp_path / "run")
    (said,) = site_judge(model).judge_sites(opened, [_site(opened, *pairs[3])])
    assert isinstance(said, Verdict)
    assert CARD.em is not None
    assert CARD.geometry is not None
    assert said.provenance.picture_spec == f"{CARD.em.hash}+{CARD.geometry.hash}"
    assert 0 < said.probability < 1
    opened.close()
