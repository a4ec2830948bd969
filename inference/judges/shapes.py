"""The judge of a network that looks at the views of meshes, beside slices or instead of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import ModelError, ProofdeskError
from inference.calibration import calibrated
from inference.distribution import Familiar
from inference.judges.base import Opinion
from inference.judges.onnx import open_session
from inference.judges.questions import asked_partners, question_roots
from inference.judges.verdicts import failed, verdict
from inference.models.manifest import InputContract, ModelManifest
from inference.models.registry import ModelFolder
from inference.pictures import pack_pair, unpack_pairs
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Verdict
from rendering.pictures import PictureMaker

__all__ = ["ShapesJudge"]


class ShapesJudge:
    """Draws the geometry tensor of every question as training did, and asks the network.

    Parameters
    ----------
    folder : ModelFolder
        A model whose contract names views of meshes.
    threads : int or None
        Processor threads; every core if None.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the weights cannot be loaded, or the model looks at no meshes.
    """

    provider = "CPU"

    def __init__(self, folder: ModelFolder, *, threads: int | None = None) -> None:
        contract = folder.manifest.input
        if not isinstance(contract, InputContract) or contract.geometry is None:
            raise ModelError(
                f"The model {folder.manifest.id} does not look at meshes.",
                "Load it with the judge of slices.",
            )
        self._manifest = folder.manifest
        self._spec = contract.geometry.geometry_spec()
        cores = threads or os.cpu_count() or 1
        self._session: Any = open_session(folder.weights, cores, ("CPUExecutionProvider",))
        self._familiar = Familiar(folder.manifest)
        self._maker: PictureMaker | None = None

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        return self._manifest

    def judge_sites(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[Verdict | FailedVerdict]:
        """Return a verdict, or the reason for none, for every question of every site."""
        return [
            self._answer(datastack, site, partner)
            for site in sites
            for partner in asked_partners(self._manifest.task, site)
        ]

    def _answer(
        self, datastack: Datastack, site: Site, partner: Partner | None
    ) -> Verdict | FailedVerdict:
        try:
            shown = self._shown(datastack, site, partner)
        except ProofdeskError as error:
            return failed(self, site, partner, error)
        return verdict(self, site, partner, self._opinion(shown))

    def _shown(
        self, datastack: Datastack, site: Site, partner: Partner | None
    ) -> dict[str, NDArray[np.float32]]:
        """Return the network's inputs, each of one row."""
        own, other, center = question_roots(datastack, site, partner)
        maker = self._maker_for(datastack)
        drawn = maker.geometry(center, own, other, self._spec)
        shown = {"geometry": drawn.data[np.newaxis].astype(np.float32)}
        if self._manifest.pictures is not None:
            slices = maker.judge_slices(center, [own] if other is None else [own, other])
            packed = pack_pair(slices, own, 0 if other is None else other)
            if other is None:
                packed[:, 1] = slices.mask(own)
            shown["pictures"] = unpack_pairs([packed])
        return shown

    def _maker_for(self, datastack: Datastack) -> PictureMaker:
        if self._maker is None or self._maker.datastack is not datastack:
            pictures = self._manifest.pictures
            em = None if pictures is None else pictures.em_spec()
            self._maker = PictureMaker(datastack, em=em)
        return self._maker

    def _opinion(self, shown: dict[str, NDArray[np.float32]]) -> Opinion:
        begun = time.perf_counter()
        logits, features = self._session.run(["logits", "features"], shown)
        passed = (time.perf_counter() - begun) * 1000
        chance = calibrated(logits, self._manifest.calibration)
        strange = float(self._familiar.distances(features)[0])
        distance = None if np.isnan(strange) else strange
        return Opinion(float(chance[0]), float(logits[0]), distance, passed)
