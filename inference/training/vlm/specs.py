"""Which pictures and which form of answer a language model is trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from connectome.datastack import Datastack
from connectome.errors import InputError
from inference.judges.vlm.folder import LanguageSpec
from inference.training.vlm.examples import Target
from proofreading.verdicts import Task
from rendering.presets import specs_for

__all__ = ["TARGETS", "Pictured", "spec_for", "target_named"]

TARGETS = {
    "answer": Target(),
    "rationale": Target(rationale=True),
    # With half of the reasons left out, an answer does not come to depend on them.
    "dropout": Target(rationale=True, dropout=0.5),
}


@dataclass(frozen=True)
class Pictured:
    """How large pictures are, and whether microscopy is among them."""

    size_px: int = 256
    slices: bool = True


def target_named(name: str) -> Target:
    """Return what is learnt under a name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in TARGETS:
        raise InputError(f"There is no target {name!r}.", f"Choose of {', '.join(TARGETS)}.")
    return TARGETS[name]


def spec_for(
    datastack: Datastack,
    task: Task,
    base: str,
    pictured: Pictured,
    *,
    reasons: bool = False,
    four_bit: bool = False,
    device: str = "auto",
) -> LanguageSpec:
    """Return how a model is asked about a datastack: as wide as people's pictures are."""
    specs = specs_for(datastack)
    em = replace(specs.person_em, size_px=pictured.size_px)
    return LanguageSpec(
        task=task,
        base=str(Path(base).resolve()) if Path(base).is_dir() else base,
        render=replace(specs.render, size_px=pictured.size_px),
        em=em if pictured.slices and datastack.imagery is not None else None,
        analysis=reasons,
        four_bit=four_bit,
        device=device,
    )
