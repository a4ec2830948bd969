"""Which question a site asks."""

from __future__ import annotations

from inference.tasks import words
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import Task

__all__ = ["question_of", "task_of"]


def task_of(site: Site) -> Task:
    """Return the task of a site: a tip with a partner asks about the pair."""
    if site.kind in (SiteKind.JUNCTION, SiteKind.BOTTLENECK):
        return Task.MERGE_ERROR_IDENTIFICATION
    return Task.SPLIT_ERROR_CORRECTION if site.partners else Task.SPLIT_ERROR_IDENTIFICATION


def question_of(site: Site) -> str:
    """Return the question as a sentence."""
    return words(task_of(site)).question
