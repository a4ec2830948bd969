"""The judge that measures: pair features and gradient boosting, thousands of pairs in one go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack, present_roots
from connectome.errors import InputError, ModelError, ProofdeskError
from inference.features.cutout import PairPlace, site_pair_features
from inference.features.pairs import feature_names
from inference.features.spec import FeatureSpec
from inference.judges.base import Opinion
from inference.judges.tables import TableModel
from inference.judges.verdicts import failed, verdict
from inference.models.manifest import ModelManifest
from inference.models.registry import ModelFolder
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["CONTACT_REACH_NM", "FeaturesJudge", "known_roots", "pair_place"]

CONTACT_REACH_NM = 200.0
"""How far around the middle of a partner's points the contact is looked for."""

Result = Verdict | FailedVerdict
Asked = tuple[int, int]
Measured = Mapping[tuple[str, int], NDArray[np.float32]]
"""The numbers of pairs, by site and supervoxel of the partner."""


class FeaturesJudge:
    """Answers for the partners of sites from numbers measured on the voxels; a `SiteJudge`.

    Parameters
    ----------
    folder : ModelFolder
        A verified model with the input kind ``features``.
    spec : FeatureSpec, optional
        How the numbers are measured.

    Attributes
    ----------
    on_measured : callable or None
        Called with the numbers of every batch, for whoever learns from them later.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the model was trained on numbers measured another way.
    """

    def __init__(self, folder: ModelFolder, spec: FeatureSpec | None = None) -> None:
        self._model = TableModel(folder)
        self.on_measured: Callable[[Measured], None] | None = None
        self.spec = spec or FeatureSpec()
        contract = self._model.contract
        if contract.spec_hash != self.spec.hash or contract.features != feature_names(self.spec):
            raise ModelError(
                f"The model {folder.manifest.id} was trained on numbers measured another way "
                f"(feature spec {contract.spec_hash}) than here ({self.spec.hash}).",
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
        """Return a verdict, or the reason for none, for every partner of every site."""
        results: dict[Asked, Result] = {}
        places: dict[Asked, PairPlace] = {}
        known = known_roots(datastack, sites)
        for row, site in enumerate(sites):
            for column, partner in enumerate(site.partners):
                try:
                    places[row, column] = pair_place(datastack, partner, known)
                except ProofdeskError as error:
                    results[row, column] = failed(self, site, partner, error)
        numbers: dict[Asked, NDArray[np.float32]] = {}
        for (row, column), opinion in self._opinions(datastack, places, numbers).items():
            site = sites[row]
            partner = site.partners[column]
            results[row, column] = (
                verdict(self, site, partner, opinion)
                if isinstance(opinion, Opinion)
                else failed(self, site, partner, opinion)
            )
        if self.on_measured is not None:
            names = {key: (sites[key[0]].id, sites[key[0]].partners[key[1]]) for key in numbers}
            self.on_measured({(i, p.supervoxel): numbers[key] for key, (i, p) in names.items()})
        return [results[key] for key in sorted(results)]

    def distances(self, values: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """Return how far rows of numbers are from those of the training; None if unknown."""
        return self._model.answers(values)[2]

    def _opinions(
        self,
        datastack: Datastack,
        places: dict[Asked, PairPlace],
        numbers: dict[Asked, NDArray[np.float32]],
    ) -> dict[Asked, Opinion | ProofdeskError]:
        """Answer all in one go; where that fails, one by one, so that one spoils no other."""
        if not places:
            return {}
        try:
            opinions, values = self._asked(datastack, list(places.values()))
        except ProofdeskError as error:
            if len(places) == 1:
                return dict.fromkeys(places, error)
        else:
            numbers.update(zip(places, values, strict=True))
            return dict(zip(places, opinions, strict=True))
        alone = [self._opinions(datastack, {key: at}, numbers) for key, at in places.items()]
        return {key: opinion for part in alone for key, opinion in part.items()}

    def _asked(
        self, datastack: Datastack, places: Sequence[PairPlace]
    ) -> tuple[list[Opinion], NDArray[np.float32]]:
        started = time.perf_counter()
        values = site_pair_features(datastack, places, self.spec).values
        chance, logits, strange = self._model.answers(values)
        each_ms = (time.perf_counter() - started) * 1000 / len(places)
        opinions = [
            Opinion(
                float(chance[row]),
                float(logits[row]),
                None if strange is None else float(strange[row]),
                each_ms,
            )
            for row in range(len(places))
        ]
        return opinions, values


def known_roots(datastack: Datastack, sites: Sequence[Site]) -> dict[int, int]:
    """Return the roots of every supervoxel, asked for in one go; none where that fails.

    What fails is asked again pair by pair, so that one unknown supervoxel spoils no other.
    """
    named = {s for site in sites for p in site.partners for s in (p.own_supervoxel, p.supervoxel)}
    wanted = sorted(named)
    try:
        return dict(zip(wanted, present_roots(datastack, wanted), strict=True)) if wanted else {}
    except ProofdeskError:
        return {}


def pair_place(datastack: Datastack, partner: Partner, known: Mapping[int, int]) -> PairPlace:
    """Return where a pair is measured.

    Parameters
    ----------
    known : mapping
        Roots of supervoxels, as far as `known_roots` found them.

    Raises
    ------
    InputError
        If the two are one segment by now.
    ProofdeskError
        If their roots cannot be read.
    """
    pair = [partner.own_supervoxel, partner.supervoxel]
    if all(supervoxel in known for supervoxel in pair):
        own, other = (known[supervoxel] for supervoxel in pair)
    else:
        own, other = present_roots(datastack, pair)
    if own == other:
        raise InputError(
            "The site and its partner are one segment by now.",
            "Nothing is left to decide here; go on to the next site.",
        )
    (x0, y0, z0), (x1, y1, z1) = partner.own_point_nm, partner.point_nm
    between = ((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2)
    return PairPlace(own, other, between, partner.distance_nm / 2 + CONTACT_REACH_NM)
