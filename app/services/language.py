"""The window's side of language models: how they are, and the person's words for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.services.model import Phase
from app.services.worker.language_messages import (
    AskLanguage,
    Consider,
    LanguageState,
    LookBack,
    UseLanguage,
)
from inference.judges.routing import read_routing, write_routing
from inference.prompts.slots import SLOT_NAMES, recorded, slots_of
from proofreading.verdicts import Verdict

__all__ = ["LanguageDesk", "LanguageStatus", "other_words"]

_PHASES = {
    "starting": Phase.LOADING,
    "ready": Phase.READY,
    "waiting": Phase.PARTIAL,
    "gone": Phase.FAILED,
    "stopped": Phase.EMPTY,
}
_TEXTS = {
    "starting": "The language model is loading; the other models answer meanwhile.",
    "stopped": "The language model has not been started.",
}


@dataclass(frozen=True)
class LanguageStatus:
    """How the language model is.

    Parameters
    ----------
    model, provider : str
        What it is and what runs it.
    text : str
        What it does, or what is wrong with it and what to do.
    waiting : int
        Questions left open.
    site_id : str
        The site that it is thinking about, empty if none.
    words : tuple of (str, str)
        What the person added to its prompt, by slot.
    """

    phase: Phase
    model: str
    provider: str = ""
    text: str = ""
    waiting: int = 0
    site_id: str = ""
    words: tuple[tuple[str, str], ...] = ()


class LanguageDesk:
    """Sends the person's wishes to the worker, and keeps what it says.

    Parameters
    ----------
    session : Path
        The session folder; the words are kept in its ``routing.json``.
    send : callable
        Sends a command to the judging worker.
    """

    def __init__(
        self,
        session: Path,
        send: Callable[[UseLanguage | AskLanguage | Consider | LookBack], None],
    ) -> None:
        self._session, self._send = session, send
        self._words = dict(read_routing(session).words)
        self._state: LanguageState | None = None

    def begin(self) -> None:
        """Tell a worker that has just been started which words to use."""
        self._send(UseLanguage(dict(self._words)))

    def use_words(self, words: Mapping[str, str], site_id: str | None) -> None:
        """Ask with these words from now on, first about the site on the screen.

        Raises
        ------
        InputError, StorageError
            If they cannot be kept with the session.
        """
        kept = {name: words[name].strip() for name in SLOT_NAMES if words.get(name, "").strip()}
        routing = read_routing(self._session)
        write_routing(self._session, routing.model_copy(update={"words": kept}))
        self._words = kept
        self._send(UseLanguage(dict(kept)))
        if site_id is not None:
            self.ask(site_id)

    def ask(self, site_id: str) -> None:
        """Ask about a site because the person wants it."""
        self._send(AskLanguage(site_id))

    def judged(self, site_ids: tuple[str, ...]) -> None:
        """Tell a model, if there is one, which sites others have judged."""
        if self._state is not None:
            self._send(Consider(site_ids))

    def look_back(self) -> None:
        """Let a model look again for what is open."""
        self._send(LookBack())

    def take(self, state: LanguageState) -> None:
        """Keep what the worker says."""
        self._state = state

    @property
    def status(self) -> LanguageStatus | None:
        """How it is; None where the session has no language model."""
        state = self._state
        if state is None:
            return None
        return LanguageStatus(
            phase=_PHASES[state.health],
            model=state.model,
            provider=state.provider,
            text=_told(state),
            waiting=state.waiting,
            site_id=state.site_id,
            words=recorded(slots_of(self._words)),
        )


def other_words(verdict: Verdict, words: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a language model gave this verdict for other words than those of now."""
    return verdict.provenance.prompt_sha256 is not None and verdict.provenance.slots != words


def _told(state: LanguageState) -> str:
    if state.health == "waiting":
        soon = "" if state.retry_s is None else f" in {state.retry_s:.0f} s"
        return f"Its process ended. It is started again{soon}, and nothing is lost. {state.text}"
    if state.health == "ready":
        return f"{state.waiting:,} questions are left open." if state.waiting else ""
    return state.text or _TEXTS.get(state.health, "")
