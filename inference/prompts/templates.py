"""The words of every question, read from versioned files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from connectome.errors import ModelError
from proofreading.verdicts import Task

__all__ = ["Common", "Template", "common_words", "template_for"]


@dataclass(frozen=True)
class Template:
    """What is particular to one task."""

    version: int
    task: Task
    role: str
    colours: str
    question: str
    look_for: str


@dataclass(frozen=True)
class Common:
    """What all tasks share; braces are filled in by `inference.prompts.writing`."""

    version: int
    views: str
    slices: str
    answer: str
    analysis: str
    confidence: str
    region: str
    cell_type: str
    conservative: str
    heuristic: str
    example: str
    examples: str


@cache
def template_for(task: Task) -> Template:
    """Return the template of a task.

    Raises
    ------
    ModelError
        If no language model is asked this question.
    """
    resource = files("assets") / "prompts" / f"{task.value}.toml"
    if not resource.is_file():
        raise ModelError(
            f"There is no prompt for {task.value}.",
            "A language model can be asked about the four main tasks.",
        )
    words = tomllib.loads(resource.read_text(encoding="utf-8"))
    named = Task(words.pop("task"))
    # A question under another task's name would be answered well and count wrongly.
    assert named is task, f"{resource} asks about {named.value}"
    return Template(task=named, **words)


@cache
def common_words() -> Common:
    """Return what all tasks share."""
    resource = files("assets") / "prompts" / "common.toml"
    return Common(**tomllib.loads(resource.read_text(encoding="utf-8")))
