"""The language model as a judge of sites: it shows pictures, asks, and reads the answer.

This runs in the program's own process and loads none of the model's libraries: the model
lives in a process of its own (`VlmProcess`) or behind a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import ModelError, ProofdeskError
from inference.calibration import calibrated
from inference.judges.base import Opinion
from inference.judges.questions import asked_partners, question_roots
from inference.judges.verdicts import verdict
from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.folder import load_of, spec_of
from inference.judges.vlm.process import Health, Pending, VlmProcess
from inference.judges.vlm.protocol import Answered, Asked
from inference.judges.vlm.seeing import QuestionPictures, pictures_hash
from inference.judges.vlm.seeking import Seeking, look_again, look_backend, scene_at
from inference.models.manifest import ModelManifest
from inference.models.registry import ModelFolder
from inference.prompts.shots import Shot, even_choice, told_shots, with_shots
from inference.prompts.slots import recorded
from inference.prompts.writing import Prompt, Slots
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Task, Verdict
from rendering.backend import ViewBackend
from rendering.scene import Scene

__all__ = ["AskedSites", "VlmJudge"]

Result = Verdict | FailedVerdict


@dataclass(frozen=True)
class _Question:
    """One question of a request: what it is about, and its place, or why it was not asked."""

    site: Site
    partner: Partner | None
    place: int | None
    prompt_sha256: str = ""
    pictures_sha256: str = ""
    words: tuple[tuple[str, str], ...] = ()
    trouble: ProofdeskError | None = None


@dataclass(frozen=True)
class AskedSites:
    """Sites that a language model was asked about; `VlmJudge.results` reads the answers.

    Parameters
    ----------
    pending : Pending or None
        The request; None if nothing could be asked.
    """

    questions: tuple[_Question, ...]
    pending: Pending | None

    @property
    def finished(self) -> bool:
        """Whether every answer has come, or none will."""
        return self.pending is None or self.pending.finished.is_set()

    def wait(self) -> None:
        """Wait until `finished`."""
        if self.pending is not None:
            self.pending.finished.wait()


class VlmJudge:
    """Answers one task about sites with a vision-language model; a `SiteJudge`.

    Parameters
    ----------
    folder : ModelFolder
        A verified model with the input kind ``language``.
    model : LanguageModel or None
        What answers; a process of its own if None, started when first asked.
    slots : Slots or None
        What a person added to the prompt; may be changed at any time (`slots`), and holds
        from the next question on.
    views : ViewBackend or None
        What draws meshes; octarine if None.

    Raises
    ------
    ModelError
        If the model was made for another prompt or base model.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        model: LanguageModel | None = None,
        slots: Slots | None = None,
        views: ViewBackend | None = None,
    ) -> None:
        self._views = views
        self._manifest = folder.manifest
        self.spec = spec_of(folder.manifest)
        self.slots = slots or Slots()
        self.shots: tuple[Shot, ...] = ()
        """Examples that stand before a question, as many of yes as of no; none at first."""
        self.seeking: Seeking | None = None
        """When `judge_sites` lets the model ask for other views; never if None."""
        self.model: LanguageModel = model or VlmProcess(load_of(folder))
        self._pictures: QuestionPictures | None = None

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        return self._manifest

    @property
    def provider(self) -> str:
        """What runs it, empty until it is loaded."""
        return self.model.provider

    @property
    def prompt(self) -> Prompt:
        """The words of the next question."""
        return self.spec.prompt(self.slots)

    def judge_sites(self, datastack: Datastack, sites: Sequence[Site]) -> list[Result]:
        """Return a verdict, or the reason for none, for every question; waits for the model."""
        asked = self.ask(datastack, sites)
        asked.wait()
        if self.seeking is None:
            return self.results(asked)
        return [self._after_looks(datastack, q, asked, self.seeking) for q in asked.questions]

    def ask(self, datastack: Datastack, sites: Sequence[Site]) -> AskedSites:
        """Make the pictures of sites and send their questions; the answers come later."""
        prompt, slots = self.prompt, self.slots
        questions: list[_Question] = []
        messages: list[Asked] = []
        for site in sites:
            for partner in asked_partners(self._manifest.task, site):
                question, message = self._shown(
                    datastack, site, partner, (prompt, slots), len(messages)
                )
                questions.append(question)
                messages += [] if message is None else [message]
        pending = self._send(messages) if messages else None
        return AskedSites(tuple(questions), pending)

    def results(self, asked: AskedSites) -> list[Result]:
        """Return what came of a finished request, in the order of its questions."""
        return [self._result(question, asked) for question in asked.questions]

    def start(self) -> None:
        """Load the model; returns at once."""
        if self.model.health is Health.STOPPED:
            self.model.start()

    def close(self) -> None:
        """End the model's process."""
        self.model.close()

    def _send(self, messages: Sequence[Asked]) -> Pending:
        self.start()
        spec = self.spec
        writes = spec.analysis or spec.confidence
        return self.model.ask(messages, reasons=writes, most_tokens=spec.most_tokens)

    def _shown(
        self,
        datastack: Datastack,
        site: Site,
        partner: Partner | None,
        words: tuple[Prompt, Slots],
        place: int,
    ) -> tuple[_Question, Asked | None]:
        try:
            if self._manifest.task is Task.SPLIT_ACTION_EVALUATION:
                raise _no_cut_shown()
            own, other, center = question_roots(datastack, site, partner)
            pictures = self._pictures_of(datastack).at(center, own, other)
        except ProofdeskError as error:
            return _Question(site, partner, None, trouble=error), None
        shots = even_choice(self.shots, len(self.shots), leave_out=site.id)
        prompt, slots = words
        told, shown = with_shots(prompt, pictures, shots)
        added = recorded(slots) + told_shots(shots)
        question = _Question(site, partner, place, told.sha256, pictures_hash(shown), added)
        return question, Asked.of(told, shown)

    def _pictures_of(self, datastack: Datastack) -> QuestionPictures:
        if self._pictures is None or self._pictures.datastack is not datastack:
            self._pictures = QuestionPictures(
                datastack, self.spec.render, self.spec.em, self._views
            )
        return self._pictures

    def _result(self, question: _Question, asked: AskedSites) -> Result:
        pending = asked.pending
        if question.trouble is not None or pending is None or question.place is None:
            return self._failed(question, question.trouble or _nothing_came())
        answer = pending.answers.get(question.place)
        if answer is None:
            return self._failed(question, pending.failure or _nothing_came())
        if answer.logit is None:
            return self._failed(question, _unreadable(), answer.text)
        return self._verdict(question, answer)

    def _after_looks(
        self, datastack: Datastack, question: _Question, asked: AskedSites, seeking: Seeking
    ) -> Result:
        """Return the result of a question, after the views that the model asked for."""
        result = self._result(question, asked)
        if isinstance(result, FailedVerdict) or asked.pending is None or question.place is None:
            return result
        first = asked.pending.answers[question.place]
        spec = self.spec

        def scene() -> Scene:
            own, other, center = question_roots(datastack, question.site, question.partner)
            roots = (own,) if other is None else (own, other)
            return scene_at(datastack, center, roots, spec.render, look_backend(self._views))

        try:
            sought = look_again(
                self.model,
                asked.pending.ask.questions[question.place],
                first,
                scene=scene,
                chance=self._chance,
                settings=seeking,
                reasons=spec.analysis or spec.confidence,
                answer_tokens=spec.most_tokens,
            )
        except ProofdeskError:
            return result  # What was answered before stands.
        seen = replace(
            question, prompt_sha256=sought.prompt.sha256, pictures_sha256=sought.pictures_sha256
        )
        return replace(self._verdict(seen, sought.answer), looks=sought.looks)

    def _chance(self, logit: float) -> float:
        return float(calibrated(np.array([logit]), self._manifest.calibration)[0])

    def _verdict(self, question: _Question, answer: Answered) -> Verdict:
        assert answer.logit is not None
        opinion = Opinion(self._chance(answer.logit), answer.logit, None, answer.latency_ms)
        plain = verdict(self, question.site, question.partner, opinion)
        provenance = replace(
            plain.provenance,
            prompt_sha256=question.prompt_sha256,
            slots=question.words,
            pictures_sha256=question.pictures_sha256,
        )
        return replace(
            plain,
            provenance=provenance,
            rationale=answer.analysis or None,
            stated_confidence=answer.confidence,
        )

    def _failed(
        self, question: _Question, error: ProofdeskError, text: str | None = None
    ) -> FailedVerdict:
        return FailedVerdict(
            site_id=question.site.id,
            task=self._manifest.task,
            partner_supervoxel=None if question.partner is None else question.partner.supervoxel,
            reason=error.message,
            hint=error.hint,
            made_at=datetime.now(UTC),
            text=text,
            model_id=self._manifest.id,
        )


def _unreadable() -> ModelError:
    return ModelError(
        "The language model's answer cannot be read.",
        "Its words are kept with the site. Ask again, or answer without it.",
    )


def _nothing_came() -> ModelError:
    return ModelError("The language model gave no answer.", "Ask again.")


def _no_cut_shown() -> ModelError:
    return ModelError(
        "A proposed cut cannot be shown to a language model yet.",
        "The model of numbers answers this question.",
    )
