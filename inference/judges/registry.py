"""From a model folder to the judge that runs it."""

from __future__ import annotations

from pathlib import Path

from connectome.errors import ModelError
from inference.judges.base import SiteJudge
from inference.judges.ensemble import EnsembleJudge
from inference.judges.verdicts import PicturesJudge
from inference.models.manifest import InputContract, LanguageContract, Member, MembersContract
from inference.models.registry import ModelFolder, default_model, find_model, list_models
from proofreading.verdicts import Task

__all__ = ["default_judges", "member_folder", "site_judge"]

PAIR_TASKS = (Task.SPLIT_ERROR_CORRECTION, Task.PARTNER_CHOICE)


def default_judges() -> list[SiteJudge]:
    """Return the bundled judge of every task of which a site is asked.

    Raises
    ------
    ModelError
        If a bundled model does not match its manifest.
    MissingPackageError
        If onnxruntime is not installed.
    """
    tasks = (
        Task.SPLIT_ERROR_CORRECTION,
        Task.SPLIT_ERROR_IDENTIFICATION,
        Task.MERGE_ERROR_IDENTIFICATION,
    )
    bundled = {manifest.task for _, manifest in list_models()}
    return [site_judge(default_model(task)) for task in tasks if task in bundled]


def site_judge(folder: ModelFolder) -> SiteJudge:
    """Return the judge of a model folder, whatever the model looks at.

    Raises
    ------
    ModelError
        If the model, or a member of an ensemble, cannot be used.
    MissingPackageError
        If onnxruntime is not installed.
    """
    contract = folder.manifest.input
    if isinstance(contract, InputContract) and contract.geometry is not None:
        from inference.judges.shapes import ShapesJudge

        return ShapesJudge(folder)
    if isinstance(contract, InputContract):
        from inference.judges.onnx import OnnxJudge

        return PicturesJudge(OnnxJudge(folder))
    if isinstance(contract, MembersContract):
        members = [site_judge(member_folder(m, folder.path.parent)) for m in contract.members]
        return EnsembleJudge(folder.manifest, members)
    if isinstance(contract, LanguageContract):
        from inference.judges.vlm.judge import VlmJudge

        return VlmJudge(folder)
    return _features_judge(folder)


def _features_judge(folder: ModelFolder) -> SiteJudge:
    if folder.manifest.task in PAIR_TASKS:
        from inference.judges.features import FeaturesJudge

        return FeaturesJudge(folder)
    from inference.judges.site_features import SiteFeaturesJudge

    return SiteFeaturesJudge(folder)


def member_folder(member: Member, beside: Path) -> ModelFolder:
    """Return a member's folder: beside the ensemble's own, or a bundled one.

    Raises
    ------
    ModelError
        If it is in neither place.
    """
    for path, manifest in list_models(beside):
        if manifest.sha256 == member.sha256:
            return find_model(str(path))
    for path, manifest in list_models():
        if manifest.sha256 == member.sha256:
            return find_model(str(path))
    raise ModelError(
        f"The model {member.id}, which an ensemble asks, is not here.",
        "Put its folder beside the ensemble's, or train both again.",
    )
