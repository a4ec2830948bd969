"""What the window and the judging worker say to each other about language models."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AskLanguage", "Consider", "LanguageState", "LookBack", "UseLanguage", "Wake"]


@dataclass(frozen=True)
class UseLanguage:
    """Ask with these words from now on, by slot (`inference.prompts.slots`)."""

    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AskLanguage:
    """Ask a language model about a site because the person wants it."""

    site_id: str


@dataclass(frozen=True)
class Consider:
    """Other judges have answered about these sites: see what they leave open."""

    site_ids: tuple[str, ...]


@dataclass(frozen=True)
class LookBack:
    """Look again for what is open, because failures are given another chance."""


@dataclass(frozen=True)
class Wake:
    """A language model has news; sent by the worker to itself."""


@dataclass(frozen=True)
class LanguageState:
    """How the language models are.

    Parameters
    ----------
    model : str
        Its id, empty if there is none.
    health : str
        A `Health`: ``starting``, ``ready``, ``waiting``, ``gone`` or ``stopped``.
    text : str
        What is wrong with it and what to do, if something is.
    retry_s : float or None
        In how many seconds it is started again, if it waits for that.
    waiting : int
        Questions left open.
    site_id : str
        The site that it is thinking about, empty if none.
    """

    model: str
    health: str
    provider: str = ""
    text: str = ""
    retry_s: float | None = None
    waiting: int = 0
    site_id: str = ""
