"""When the worker learns, as the window sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.learning.answers import EVERY, Learned, own_pair_answers
from app.services.worker.messages import Learn, LearnedSo

if TYPE_CHECKING:
    from proofreading.session import Session

__all__ = ["LearningDesk"]


class LearningDesk:
    """Asks the worker to learn after every so many of the person's decisions."""

    def __init__(self, session: Session, send: Callable[[Learn], None]) -> None:
        self._session = session
        self._send = send
        self._asked_at = 0
        self.learned = Learned()

    def decided(self) -> None:
        """Ask for a refit if enough was decided since the last one was asked for."""
        decided = len(own_pair_answers(self._session.ledger.state.decisions()))
        if decided - self._asked_at >= EVERY:
            self._asked_at = decided - decided % EVERY
            self._send(Learn())

    def take(self, reply: LearnedSo) -> None:
        """Note which version is in use."""
        self.learned = Learned(reply.version, reply.decisions)

    def forget_requests(self) -> None:
        """Ask anew for what a lost worker will never answer."""
        self._asked_at = 0
        self.decided()
