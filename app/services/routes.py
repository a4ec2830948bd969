"""Use-case: which models answer what in a session, and how much each of two counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.services.opening import open_session
from inference.judges.combining import FEWEST_ANSWERS, Weights, log_odds
from inference.judges.routing import Route, Routing, read_routing, write_routing
from proofreading.decisions import Answer, Decider, Decision
from proofreading.session import Session
from proofreading.verdicts import Part, Task, Verdict

__all__ = ["FittedRoute", "fit_routes"]

FEWEST_OF_A_KIND = 8
_TRUTH = {Answer.ACCEPT: True, Answer.REJECT: False}


@dataclass(frozen=True)
class FittedRoute:
    """What became of one task.

    Parameters
    ----------
    answers, yes : int
        The person's own answers to questions that both models were asked, and accepted ones.
    weights : Weights or None
        None where there are too few of them.
    """

    task: Task
    answers: int
    yes: int
    weights: Weights | None


def fit_routes(folder: Path) -> list[FittedRoute]:
    """Fit, from the person's own answers, how much the models of each task count together.

    What is fitted is kept in the session's ``routing.json`` and holds from the next start.
    Tasks with fewer than 40 answers, or fewer than 8 of a kind, keep the rule of
    `inference.judges.combining`.

    Raises
    ------
    SessionError, InputError, StorageError
        If the session cannot be read, or the result not be written.
    """
    with open_session(folder, role="worker") as session:
        known = _answered(session)
    routing, found = read_routing(folder), []
    for task, rows in known.items():
        fitted = _fitted(task, rows)
        found.append(fitted)
        if fitted.weights is not None:
            routing = _with_weights(routing, task, fitted.weights)
    write_routing(folder, routing)
    return found


def _answered(session: Session) -> dict[Task, list[tuple[tuple[Part, ...], bool]]]:
    """Return the parts of every joint verdict that the person has answered, with the truth."""
    known: dict[Task, list[tuple[tuple[Part, ...], bool]]] = {}
    for decision in session.ledger.state.decisions():
        mine = decision.decider is Decider.PERSON and decision.answer in _TRUTH
        joint = next(_joint(session, decision), None) if mine else None
        if joint is not None:
            known.setdefault(joint.task, []).append((joint.parts, _TRUTH[decision.answer]))
    return known


def _joint(session: Session, decision: Decision) -> Iterator[Verdict]:
    """Yield the verdicts of two models together on what was answered, newest first."""
    for verdict in session.catalogue.verdicts(decision.site_id, decision.task):
        same = verdict.partner_supervoxel in (None, decision.partner_supervoxel)
        second = verdict.provenance.prompt_sha256 is not None
        if same and second and len(verdict.parts) > 1:
            yield verdict


def _fitted(task: Task, rows: list[tuple[tuple[Part, ...], bool]]) -> FittedRoute:
    from inference.training.combination import fit_combination

    # The newest pair of models counts: answers to others say nothing of these two.
    models = tuple(part.model_id for part in rows[-1][0])
    mine = [row for row in rows if tuple(part.model_id for part in row[0]) == models]
    truth = np.array([yes for _, yes in mine])
    kinds = (int(truth.sum()), int((~truth).sum()))
    if len(mine) < FEWEST_ANSWERS or min(kinds) < FEWEST_OF_A_KIND:
        return FittedRoute(task, len(mine), kinds[0], None)
    said = np.array([[part.probability for part in parts] for parts, _ in mine])
    fitted = fit_combination(log_odds(said), truth, balanced=False, ridge=1.0 / len(mine))
    weights = Weights(
        first=fitted.weights[0],
        second=fitted.weights[1],
        bias=fitted.bias,
        samples=len(mine),
        models=models,
    )
    return FittedRoute(task, len(mine), kinds[0], weights)


def _with_weights(routing: Routing, task: Task, weights: Weights) -> Routing:
    route: Route = routing.route(task).model_copy(update={"weights": weights})
    return routing.model_copy(update={"routes": {**routing.routes, task: route}})
