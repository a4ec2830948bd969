"""Use-case: the versions of a session's adaptive judge, from the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.services.judging import load_panel
from app.services.learning.answers import Learned, own_pair_answers
from app.services.learning.learner import Learner, versions_of
from app.services.opening import open_session
from connectome.opening import open_datastack
from proofreading.session import Session

__all__ = ["AdaptSummary", "adapt_session"]


@dataclass(frozen=True)
class AdaptSummary:
    """What the adaptive judge of a session knows.

    Parameters
    ----------
    decisions : int
        The person's own answers about pairs, from which it can learn.
    versions : tuple of int
        Those that were promoted.
    current : int
        The one in use; 0 is the models as they are.
    sites_changed : int
        Whose probability changed by going back.
    """

    decisions: int
    versions: tuple[int, ...]
    current: int
    words: str
    sites_changed: int = 0


def adapt_session(folder: Path, use: int | None, *, learn: bool) -> AdaptSummary:
    """Go to a version, learn, or only tell; a window may have the session open meanwhile.

    Raises
    ------
    SessionError, DatastackError
        If the session or its datastack cannot be opened.
    InputError
        If there is no such version.
    """
    with open_session(folder, role="worker") as session:
        if use is None and not learn:
            return _summary(session, Learned(versions_of(session).current()))
        datastack = open_datastack(session.info.datastack_address)
        try:
            with Learner(session, datastack) as learner:
                changed = learner.use(use) if use is not None else []
                for _step in learner.learn(load_panel().pair_models) if learn else learner.answer():
                    pass
                return _summary(session, learner.learned, len(changed))
        finally:
            datastack.close()


def _summary(session: Session, learned: Learned, changed: int = 0) -> AdaptSummary:
    versions = versions_of(session)
    if learned.version:
        version = versions.read(learned.version)
        learned = Learned(learned.version, version.fitted_to + version.compared_on)
    return AdaptSummary(
        decisions=len(own_pair_answers(session.ledger.state.decisions())),
        versions=tuple(versions.numbers()),
        current=learned.version,
        words=learned.words or "nothing was learned yet that is better than the models",
        sites_changed=changed,
    )
