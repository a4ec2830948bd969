"""Use-case: a judge that learns from this person's decisions on this dataset.

It corrects what the models say, and is another model beside them: their verdicts stay. A
version takes over only where it is better on decisions that it never saw.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.services.learning.answers import (
    EVERY,
    LEARNED_TASK,
    Learned,
    PairKey,
    own_pair_answers,
)
from app.services.learning.said import SaidOfPairs, adaptive_id
from connectome.closing import Closing
from connectome.datastack import Datastack
from connectome.errors import ModelError, ProofdeskError
from inference.adaptive.judge import AdaptiveJudge
from inference.adaptive.measured import MeasuredPairs
from inference.adaptive.model import Rows, Scaling
from inference.adaptive.refit import Decided, RefitSettings, refit
from inference.adaptive.versions import Version, Versions
from inference.features.cutout import PairPlace, site_pair_features
from inference.features.pairs import feature_names
from inference.features.spec import FeatureSpec
from inference.judges.features import known_roots, pair_place
from inference.judges.verdicts import code_version
from proofreading.catalogue_said import Said
from proofreading.session import Session
from proofreading.verdicts import Part, Provenance, Verdict

__all__ = ["Learner", "versions_of"]

SCALED_ON = 512
"""Candidates on which the scale of the features is measured."""
BATCH = 32
"""Pairs in a step: neighbours share the voxels that they are measured on."""


def versions_of(session: Session) -> Versions:
    """Return the versions of a session's adaptive judge."""
    return Versions(session.artifacts / "adaptive")


class Learner(Closing):
    """Refits the adaptive judge of a session and lets it answer.

    Everything is in steps, between which it can be stopped; one may take seconds, so that
    nobody who waits for something may wait for it.

    Parameters
    ----------
    session : Session
        Its catalogue gets the verdicts; its ledger is only read.
    datastack : Datastack
        Where pairs are measured; without microscopy only the base is recalibrated.
    """

    def __init__(self, session: Session, datastack: Datastack) -> None:
        self._session = session
        self._datastack = datastack
        self._spec = FeatureSpec()
        measures = datastack.imagery is not None
        self._names = feature_names(self._spec) if measures else ()
        self._pairs = MeasuredPairs(session.artifacts / "pairs.sqlite", self._spec.hash)
        self._said = SaidOfPairs(session.catalogue)
        self._cannot: set[PairKey] = set()
        self._versions = versions_of(session)
        self._judge: AdaptiveJudge | None = None

    @property
    def learned(self) -> Learned:
        """What the version in use was fitted to."""
        number = self._versions.current()
        if not number:
            return Learned()
        version = self._versions.read(number)
        return Learned(number, version.fitted_to + version.compared_on)

    @property
    def measured(self) -> MeasuredPairs:
        """What was measured on the session's pairs."""
        return self._pairs

    @property
    def spec_hash(self) -> str:
        """How pairs are measured."""
        return self._spec.hash

    def keep(self, measured: Mapping[PairKey, NDArray[np.float32]]) -> None:
        """Keep what a judge measured: an edit may join a pair, and then nobody can."""
        self._pairs.add(measured)

    def learn(self, base: tuple[str, ...]) -> Iterator[None]:
        """Refit if enough was decided since the last time; then let the version in use answer.

        Parameters
        ----------
        base : tuple of str
            Ids of the models that are corrected.
        """
        self._session.ledger.refresh()
        self._said.follow()
        answers = own_pair_answers(self._session.ledger.state.decisions())
        if len(answers) >= EVERY:
            yield from self._measured([*answers, *self._candidates()])
            judge = self._opened(base)
            if judge.due(len(answers)):
                self.refit(judge, answers)
                yield
        yield from self.answer()

    def refit(self, judge: AdaptiveJudge, answers: dict[PairKey, bool]) -> bool:
        """Fit to the decisions; tell whether a new version took over."""
        known = [key for key in answers if key in self._said.base and self._has_numbers(key)]
        ids = tuple(f"{site}:{partner}" for site, partner in known)
        yes = np.array([answers[key] for key in known], np.bool_)
        decided = Decided(ids, self._rows(known), yes)
        candidate = refit(decided, judge.model, judge.settings)
        return judge.take(candidate, len(answers))

    def answer(self) -> Iterator[None]:
        """Let the version in use answer about every pair whose newest verdict is not its own."""
        number = self._versions.current()
        if not number:
            return
        self._said.follow()
        version = self._versions.read(number)
        waiting = self._said.waiting_for(adaptive_id(number))
        for begin in range(0, len(waiting), BATCH):
            keys = waiting[begin : begin + BATCH]
            yield from self._measured(keys)
            self._write(version, [key for key in keys if self._has_numbers(key)])
            yield

    def use(self, number: int) -> list[str]:
        """Go back to a version (0: to the models as they are); return the sites that changed.

        Raises
        ------
        InputError
            If there is no such version.
        """
        self._versions.use(number)
        self._judge = None
        later = [adaptive_id(n) for n in self._versions.numbers() if n != number]
        return self._session.catalogue.step_back(later) if later else []

    def close(self) -> None:
        """Close the file of measured pairs."""
        self._pairs.close()

    # ---- inside ----------------------------------------------------------------------

    def _candidates(self) -> list[PairKey]:
        """Return some pairs of the dataset, the same ones each time."""
        return sorted(self._said.base)[:SCALED_ON]

    def _opened(self, base: tuple[str, ...]) -> AdaptiveJudge:
        if self._judge is None:
            known = [key for key in self._candidates() if self._has_numbers(key)]
            scaling = Scaling.of(self._names, self._rows(known).features)
            try:
                self._judge = self._new(base, scaling)
            except ModelError:
                # What was learned about other models says nothing about these.
                self.use(0)
                self._judge = self._new(base, scaling)
        return self._judge

    def _new(self, base: tuple[str, ...], scaling: Scaling) -> AdaptiveJudge:
        settings = RefitSettings(every=EVERY)
        return AdaptiveJudge(base, scaling, settings=settings, versions=self._versions)

    def _measured(self, keys: Sequence[PairKey]) -> Iterator[None]:
        self._pairs.look_up(keys)
        for begin in range(0, len(keys), BATCH):
            if self._measure(keys[begin : begin + BATCH]):
                yield

    def _measure(self, keys: Iterable[PairKey]) -> bool:
        """Measure what is not measured yet; tell whether there was anything."""
        waiting = [key for key in keys if not self._has_numbers(key) and key not in self._cannot]
        if not waiting:
            return False
        sites = [site for s in {k[0] for k in waiting} if (site := self._session.catalogue.site(s))]
        roots = known_roots(self._datastack, sites)
        wanted, places = set(waiting), {}
        for site in sites:
            for partner in site.partners:
                if (site.id, partner.supervoxel) in wanted:
                    # An edit has joined them, or the graph does not answer: never mind.
                    with suppress(ProofdeskError):
                        place = pair_place(self._datastack, partner, roots)
                        places[site.id, partner.supervoxel] = place
        self._pairs.add(self._numbers(places))
        self._cannot.update(key for key in waiting if not self._has_numbers(key))
        return True

    def _numbers(self, places: Mapping[PairKey, PairPlace]) -> dict[PairKey, NDArray[np.float32]]:
        """Measure all in one go; where that fails, one by one, so that one spoils no other."""
        if not places:
            return {}
        try:
            values = site_pair_features(self._datastack, list(places.values()), self._spec).values
        except ProofdeskError:
            if len(places) == 1:
                return {}
            alone = [self._numbers({key: place}) for key, place in places.items()]
            return {key: row for part in alone for key, row in part.items()}
        return dict(zip(places, values, strict=True))

    def _has_numbers(self, key: PairKey) -> bool:
        return not self._names or key in self._pairs

    def _rows(self, keys: Sequence[PairKey]) -> Rows:
        chances = np.array([self._said.base[key].probability for key in keys], np.float64)
        # A probability of exactly 0 or 1 has no finite odds.
        base = logit(np.clip(chances, 1e-6, 1 - 1e-6))
        if not self._names or not keys:
            return Rows(base, np.zeros((len(keys), len(self._names)), np.float32))
        return Rows(base, self._pairs.rows(keys))

    def _write(self, version: Version, keys: Sequence[PairKey]) -> None:
        """Store what a version says of pairs."""
        if not keys:
            return
        began = time.perf_counter()
        rows = self._rows(keys)
        logits = version.model.logits(rows)
        each_ms = (time.perf_counter() - began) * 1000 / len(keys)
        digest = hashlib.sha256(version.model_dump_json().encode()).hexdigest()
        self._session.catalogue.add_verdicts(
            _verdict(self._said.base[key], version, digest, float(value), each_ms)
            for key, value in zip(keys, logits, strict=True)
        )


def _verdict(said: Said, version: Version, digest: str, value: float, each_ms: float) -> Verdict:
    """Return a version's answer about a pair, beside what it started from."""
    base = Part(said.model_id, said.weights_sha256, said.probability, said.raw_score)
    provenance = Provenance(
        model_id=adaptive_id(version.number),
        weights_sha256=digest,
        calibration_id=f"decisions-{version.decisions_sha256[:12]}",
        picture_spec=FeatureSpec().hash,
        code_version=code_version(),
        provider="CPU",
        latency_ms=each_ms,
        out_of_distribution=said.distance,
        measured_by=said.model_id,
    )
    return Verdict(
        site_id=said.site_id,
        task=LEARNED_TASK,
        partner_supervoxel=said.partner_supervoxel,
        probability=float(expit(value)),
        raw_score=value,
        made_at=datetime.now(UTC),
        provenance=provenance,
        parts=(base,),
    )
