"""Which question a site asks."""

from __future__ import annotations

from inference.tasks import words
from proofreading.catalogue_schema import main_task
from proofreading.sites import Site
from proofreading.verdicts import Task

__all__ = ["question_of", "task_of"]


def task_of(site: Site) -> Task:
    """Return the task of a site: a tip with a partner asks about the pair."""
    return main_task(site.kind, len(site.partners))


def question_of(site: Site) -> str:
    """Return the question as a sentence."""
    return words(task_of(site)).question
