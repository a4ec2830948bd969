"""A judge that answers from a script, with the manifest of a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import ModelError
from inference.calibration import probabilities
from inference.judges.base import Opinion
from inference.judges.verdicts import failed, verdict
from inference.models.manifest import (
    Block,
    Calibration,
    FeaturesContract,
    Member,
    MembersContract,
    ModelManifest,
    TrainingRecord,
)
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from proofreading.verdicts import FailedVerdict, Task, Verdict

__all__ = ["ScriptedJudge", "contact_site", "ensemble_manifest", "scripted_manifest"]

CALIBRATION = Calibration(
    id="script",
    temperature=2.0,
    samples=10,
    held_out="a script",
    yes_share=0.5,
    candidate_yes_share=0.5,
)


def scripted_manifest(
    name: str,
    task: Task = Task.SPLIT_ERROR_CORRECTION,
    contract: FeaturesContract | MembersContract | None = None,
    blocks: tuple[Block, ...] = (),
) -> ModelManifest:
    return ModelManifest(
        id=name,
        task=task,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        onnx_opset=18,
        parameters=1,
        input=contract or FeaturesContract(features=("script",), spec_hash="script"),
        pictures=None,
        labels=("no", "yes"),
        calibration=CALIBRATION,
        training=TrainingRecord(
            dataset="script",
            dataset_sha256="0" * 64,
            fold="none",
            trained_on="nothing",
            must_not_be_tested_on="nothing",
            held_out_blocks=blocks,
            pairs=0,
            seed=0,
            epochs=0,
            licence="none",
        ),
        licence="none",
        code_version="test",
    )


def ensemble_manifest(members: Mapping[str, float], look: tuple[float, float]) -> ModelManifest:
    contract = MembersContract(
        members=tuple(
            Member(id=name, sha256=scripted_manifest(name).sha256, weight=weight)
            for name, weight in members.items()
        ),
        bias=0.5,
        look_from=look[0],
        look_to=look[1],
    )
    return scripted_manifest("together", contract=contract)


@dataclass
class ScriptedJudge:
    """Gives the logit that the script names for a (site, partner), and fails where it has none."""

    manifest: ModelManifest
    script: Mapping[tuple[str, int | None], float]
    asked: list[list[str]] = field(default_factory=list)
    provider: str = "CPU"
    readable: Datastack | None = None
    """The only datastack that it can read; any if None."""

    def judge_sites(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[Verdict | FailedVerdict]:
        self.asked.append([site.id for site in sites])
        pairs = self.manifest.task in PAIR_TASKS
        return [
            self._answer(datastack, site, partner)
            for site in sites
            for partner in (site.partners if pairs else (None,))
        ]

    def _answer(
        self, datastack: Datastack, site: Site, partner: Partner | None
    ) -> Verdict | FailedVerdict:
        if self.readable not in (None, datastack):
            return failed(self, site, partner, ModelError("Not readable.", "Read another."))
        logit = self.script.get((site.id, None if partner is None else partner.supervoxel))
        if logit is None:
            return failed(self, site, partner, ModelError("Not in the script.", "Add it."))
        chance = float(probabilities(np.array([logit]), CALIBRATION.temperature)[0])
        return verdict(self, site, partner, Opinion(chance, logit, 1.0, 0.1))


def contact_site(
    number: int,
    partners: Sequence[int] = (200,),
    kind: SiteKind = SiteKind.CONTACT,
    *,
    at_volume_face: bool = False,
) -> Site:
    point = (float(number) * 1000, 0.0, 0.0)
    return Site(
        id=make_site_id("offline_x", kind, [number], point, "t/1"),
        kind=kind,
        datastack="offline_x",
        root=number,
        supervoxel=100 + number,
        point_nm=point,
        radius_nm=1.0,
        detector="t/1",
        partners=tuple(Partner(p, p, 100 + number, point, point, 0.0, 1.0, 1.0) for p in partners),
        at_volume_face=at_volume_face,
    )
