"""The worker finds out why a judge says what it says, one small step at a time."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from app.services.panel import Panel
from app.services.worker import explaining
from app.services.worker.explaining import NO_PICTURES, Explainer
from app.services.worker.messages import Explain, Explained
from connectome.datastack import Datastack
from inference.adaptive.measured import MeasuredPairs
from inference.judges.base import Opinion, PairSample
from inference.judges.verdicts import PicturesJudge
from inference.models.registry import find_model
from rendering.slices import Slices
from tests.unit.ledger.build import a_site


class _BrightMiddle:
    """Says yes as far as the middle of the first slice is bright."""

    provider = "CPU"
    manifest = find_model("resnet-pairs-fib25-low-int8").manifest

    def judge(self, samples: list[PairSample]) -> list[Opinion]:
        em = [sample.slices.em for sample in samples]
        scores = [float(each[0, 24:40, 24:40].mean()) / 20 for each in em]
        return [Opinion(0.9, score, None, 0.1) for score in scores]


def _sample() -> PairSample:
    spec = _BrightMiddle.manifest.picture_spec.em_spec()
    em = np.full((3, spec.size_px, spec.size_px), 30, np.uint8)
    em[0, 24:40, 24:40] = 220
    ids = np.ones(em.shape, np.uint64)
    voxel = (10.0, 10.0, 10.0)
    present = np.ones(em.shape, np.bool_)
    return PairSample(Slices(em, ids, present, (0.0, 0.0, 0.0), spec, None, voxel, voxel), 1, 2)


def _all(explainer: Explainer) -> list[Explained | None]:
    site = a_site(1)
    return list(explainer.explain(Explain(site.id, 0), site))


def test_it_shows_where_the_judge_looked_and_what_that_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "cut_pair", lambda *_: _sample())
    judge = PicturesJudge(_BrightMiddle())  # type: ignore[arg-type]
    with MeasuredPairs(tmp_path / "pairs.sqlite", "spec") as measured:
        *steps, last = _all(Explainer(Panel([judge]), cast(Datastack, None), measured))
    assert set(steps) == {None}
    assert len(steps) > 3, "a person may look at the next site in between"
    assert last is not None
    assert last.saliency is not None
    plane, row, column = np.unravel_index(
        last.saliency.supporting.argmax(), last.saliency.supporting.shape
    )
    assert plane == 0
    assert max(abs(row - 32), abs(column - 32)) <= 8
    assert last.saliency.deletion.salient > 3 * last.saliency.deletion.random
    assert last.saliency.says_yes


def test_without_a_judge_of_pictures_it_says_so(tmp_path: Path) -> None:
    with MeasuredPairs(tmp_path / "pairs.sqlite", "spec") as measured:
        *_, last = _all(Explainer(Panel([]), cast(Datastack, None), measured))
    assert last == Explained(a_site(1).id, 0, message=NO_PICTURES)
