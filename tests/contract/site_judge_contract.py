"""What every judge of sites keeps, the scripted one of the tests included."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from connectome.datastack import Datastack
from inference.judges.base import SiteJudge
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["SiteJudgeContract", "World"]


@dataclass(frozen=True)
class World:
    """A judge, sites that it can answer, and a datastack that it cannot read."""

    judge: SiteJudge
    datastack: Datastack
    sites: list[Site]
    unreadable: Datastack


class SiteJudgeContract:
    """Subclasses provide a fixture ``world``."""

    def test_one_result_for_every_question_in_order(self, world: World) -> None:
        results = world.judge.judge_sites(world.datastack, world.sites)
        pairs = world.judge.manifest.task in PAIR_TASKS
        assert [(result.site_id, result.partner_supervoxel) for result in results] == [
            (site.id, None if partner is None else partner.supervoxel)
            for site in world.sites
            for partner in (site.partners if pairs else (None,))
        ]
        assert {result.task for result in results} == {world.judge.manifest.task}
        assert all(isinstance(result, Verdict) for result in results)

    def test_verdicts_say_where_they_come_from(self, world: World) -> None:
        manifest = world.judge.manifest
        for result in world.judge.judge_sites(world.datastack, world.sites):
            assert isinstance(result, Verdict)
            where = result.provenance
            assert (where.model_id, where.weights_sha256) == (manifest.id, manifest.sha256)
            assert where.calibration_id == manifest.calibration.id
            assert where.picture_spec == manifest.input_hash
            assert where.provider == world.judge.provider
            assert where.latency_ms >= 0

    def test_answers_do_not_depend_on_what_else_is_asked(self, world: World) -> None:
        together = world.judge.judge_sites(world.datastack, world.sites)
        alone = [
            result
            for site in reversed(world.sites)
            for result in world.judge.judge_sites(world.datastack, [site])
        ]
        said = {(r.site_id, r.partner_supervoxel): r for r in alone}
        for result in together:
            other = said[result.site_id, result.partner_supervoxel]
            assert isinstance(result, Verdict)
            assert isinstance(other, Verdict)
            assert result.probability == pytest.approx(other.probability, abs=1e-4)

    def test_nothing_asked_nothing_said(self, world: World) -> None:
        assert world.judge.judge_sites(world.datastack, []) == []

    def test_what_cannot_be_read_is_a_state_and_no_exception(self, world: World) -> None:
        results = world.judge.judge_sites(world.unreadable, world.sites[:2])
        assert results
        for result in results:
            assert isinstance(result, FailedVerdict)
            assert result.reason
            assert result.hint
