"""From a template, the pictures' specs and a person's wishes to the prompt itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from inference.prompts.templates import common_words, template_for
from proofreading.verdicts import Task
from rendering.spec import BEST, EMSpec, RenderSpec

__all__ = ["Prompt", "Slots", "write_prompt"]

_LOOKING = {"front": "along +x", "side": "along +y", "top": "along -z"}
_OBLIQUE = "an oblique plane in which both show most"


@dataclass(frozen=True)
class Slots:
    """What a person may add to a question.

    Parameters
    ----------
    region, cell_type, heuristic : str
        In the person's own words; empty adds nothing.
    conservative : bool
        Ask for a yes only where the model is sure.
    examples : tuple of (str, bool)
        Descriptions of sites that the person has answered, with the answer; their
        pictures come before those of the question.
    analysis, confidence : bool
        Ask for reasons, and for a stated confidence.
    """

    region: str = ""
    cell_type: str = ""
    heuristic: str = ""
    conservative: bool = False
    examples: tuple[tuple[str, bool], ...] = ()
    analysis: bool = False
    confidence: bool = False


@dataclass(frozen=True)
class Prompt:
    """A question as a model reads it.

    Parameters
    ----------
    shared : str
        What every site of this task is told: it can be read by the model once.
    question : str
        What follows the pictures.
    views, slices : tuple of str
        The pictures, in the order in which the words speak of them.
    sha256 : str
        Hash over all words, slots included, for a verdict's provenance.
    """

    task: Task
    shared: str
    question: str
    views: tuple[str, ...]
    slices: tuple[str, ...]
    sha256: str


def write_prompt(
    task: Task, render: RenderSpec, em: EMSpec | None = None, slots: Slots | None = None
) -> Prompt:
    """Write the prompt of a task for pictures made with these specs.

    Every length in it is computed from the specs; without microscopy, no slice is
    mentioned.

    Raises
    ------
    ModelError
        If no language model is asked this question.
    """
    wishes = slots or Slots()
    template, common = template_for(task), common_words()
    told = [template.role, template.colours, _views(render)]
    if em is not None:
        told.append(_slices(em))
    told += [template.look_for, *_wishes(wishes)]
    form = common.analysis if wishes.analysis else common.answer
    ending = [template.question]
    if wishes.confidence:
        ending.append(common.confidence)
    ending.append(form.format(open="<answer>", close="</answer>"))
    shared, question = "\n\n".join(told), "\n\n".join(ending)
    versions = [template.version, common.version]
    packed = json.dumps([task.value, versions, shared, question]).encode()
    return Prompt(
        task=task,
        shared=shared,
        question=question,
        views=render.views,
        slices=() if em is None else em.planes,
        sha256=hashlib.sha256(packed).hexdigest(),
    )


def _views(render: RenderSpec) -> str:
    names = ", ".join(f"{name} ({_LOOKING.get(name, name)})" for name in render.views)
    cube = 2 * render.half_extent_nm
    return common_words().views.format(
        views=len(render.views), cube_um=f"{cube / 1000:g}", cube_nm=f"{cube:g}", names=names
    )


def _slices(em: EMSpec) -> str:
    planes = ", ".join(_OBLIQUE if plane == BEST else plane for plane in em.planes)
    width = 2 * em.half_extent_nm
    return common_words().slices.format(
        slices=len(em.planes), slice_um=f"{width / 1000:g}", slice_nm=f"{width:g}", planes=planes
    )


def _wishes(slots: Slots) -> list[str]:
    """Return what a person added; braces in it are theirs and stay as they are."""
    common = common_words()
    said = [
        (common.region, slots.region),
        (common.cell_type, slots.cell_type),
        (common.heuristic, slots.heuristic),
    ]
    lines = [words.format(value=value.strip()) for words, value in said if value.strip()]
    if slots.conservative:
        lines.append(common.conservative)
    for description, yes in slots.examples:
        told = f"{description.strip()} – <answer>{'yes' if yes else 'no'}</answer>"
        lines.append(common.example.format(value=told))
    return lines
