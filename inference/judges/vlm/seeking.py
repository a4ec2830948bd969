"""Another look when a model is unsure: it asks, the scene is drawn, it is asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import GraphicsError, InputError, ModelError, NotFoundError, ServiceError
from connectome.space import PointNm
from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.protocol import Answered, Asked, picture_from
from inference.judges.vlm.seeing import pictures_hash
from inference.prompts.looks import Look, offering, read_look, with_looks
from inference.prompts.writing import Prompt
from proofreading.verdicts import TakenLook
from rendering.backend import ViewBackend
from rendering.meshes import MeshFetcher
from rendering.scene import LookBackend, Scene, SceneContent
from rendering.spec import RenderSpec
from rendering.surfaces import NotInViewError, Surface

__all__ = ["AskOne", "Seeking", "Sought", "look_again", "look_backend", "scene_at", "seek", "taken"]

RGB = NDArray[np.uint8]
_FARTHEST = 4.0
"""How far from the site a camera may look, and how much it may see, in the first half extent."""
_NEAREST = 1 / 16


@dataclass(frozen=True)
class Seeking:
    """When another view may be asked for.

    Parameters
    ----------
    margin : float
        Only where the probability is less than this away from one half.
    most_looks : int
        Views at most; 0 turns it off.
    most_tokens : int
        How much the model may write to ask for one.
    """

    margin: float = 0.2
    most_looks: int = 3
    most_tokens: int = 48

    def unsure(self, probability: float) -> bool:
        """Tell whether an answer leaves the question open."""
        return self.most_looks > 0 and abs(probability - 0.5) < self.margin


@dataclass(frozen=True)
class Sought:
    """What came of it.

    Parameters
    ----------
    answer : Answered
        The last answer that could be read; the first one if no view was asked for.
    looks : tuple of TakenLook
        Every view that was shown, in order.
    prompt, pictures_sha256
        What the answer is an answer to.
    unread : str
        What the model wrote last, if that was no answer although views were shown.
    """

    answer: Answered
    looks: tuple[TakenLook, ...]
    prompt: Prompt
    pictures_sha256: str
    unread: str = ""


class AskOne(Protocol):
    """Asks a model one question and waits for the answer."""

    def __call__(self, asked: Asked, /, *, reasons: bool, most_tokens: int) -> Answered:
        """Return the answer.

        Raises
        ------
        ModelError
            If the model does not answer.
        """
        ...


def seek(
    prompt: Prompt,
    pictures: Sequence[RGB],
    first: Answered,
    *,
    scene: Callable[[], Scene],
    ask: AskOne,
    chance: Callable[[float], float],
    settings: Seeking,
    reasons: bool = False,
    answer_tokens: int = 400,
) -> Sought:
    """Let a model that is unsure look again, and return its last answer.

    Parameters
    ----------
    prompt, pictures, first
        The question as it was put, and the answer to it.
    scene : callable
        Makes the scene, only if a view is asked for.
    ask : AskOne
        The model.
    chance : callable
        Turns a logit into a calibrated probability.
    reasons, answer_tokens
        How the model answers otherwise: whether it writes, and how much.

    Raises
    ------
    ModelError
        If the model does not answer.
    """
    shown, looks, told = list(pictures), list[Look](), list[TakenLook]()
    answer, asked_prompt, standing, unread = first, prompt, pictures_hash(pictures), ""
    stage: Scene | None = None
    while (
        len(looks) < settings.most_looks
        and answer.logit is not None
        and settings.unsure(chance(answer.logit))
    ):
        offer = offering(with_looks(prompt, looks), settings.most_looks - len(looks))
        reply = ask(Asked.of(offer, tuple(shown)), reasons=True, most_tokens=settings.most_tokens)
        look = read_look(reply.text)
        if look is None:
            break  # It answers, or writes something else: what it said before stands.
        stage = stage or scene()
        view = taken(stage, look, reply.text)
        if view is None:
            break
        picture, record = view
        shown.append(picture)
        looks.append(look)
        told.append(record)
        now = with_looks(prompt, looks)
        found = ask(Asked.of(now, tuple(shown)), reasons=reasons, most_tokens=answer_tokens)
        if found.logit is None:
            unread = found.text
            break
        answer, asked_prompt, standing = found, now, pictures_hash(shown)
    return Sought(answer, tuple(told), asked_prompt, standing, unread)


def look_again(
    model: LanguageModel,
    asked: Asked,
    first: Answered,
    *,
    scene: Callable[[], Scene],
    chance: Callable[[float], float],
    settings: Seeking,
    reasons: bool,
    answer_tokens: int,
) -> Sought:
    """Let a model look again at a question that it has answered; waits for it. See `seek`.

    Raises
    ------
    ModelError
        If the model does not answer any more.
    """

    def ask(question: Asked, *, reasons: bool, most_tokens: int) -> Answered:
        pending = model.ask([question], reasons=reasons, most_tokens=most_tokens)
        pending.finished.wait()
        if pending.failure is not None or 0 not in pending.answers:
            raise pending.failure or ModelError("The language model gave no answer.", "Ask again.")
        return pending.answers[0]

    return seek(
        asked.prompt(),
        [picture_from(picture) for picture in asked.pictures],
        first,
        scene=scene,
        ask=ask,
        chance=chance,
        settings=settings,
        reasons=reasons,
        answer_tokens=answer_tokens,
    )


def look_backend(views: ViewBackend | None) -> LookBackend | None:
    """Return what draws views if it can draw from anywhere, else None for octarine."""
    look: LookBackend | None = views if hasattr(views, "look") else None  # type: ignore[assignment]
    return look


def taken(scene: Scene, look: Look, words: str) -> tuple[RGB, TakenLook] | None:
    """Return the picture of a view and its record; None where it cannot be had.

    A view too far from the site, or too near to it, is not taken.
    """
    before = scene.camera
    try:
        _apply(scene, look)
        if not _is_near(scene):
            scene.look(before)
            return None
        shot = scene.render()
    except (InputError, NotFoundError, ServiceError, GraphicsError):
        scene.look(before)
        return None
    picture = np.ascontiguousarray(shot.decorated()[..., :3])
    return picture, TakenLook(words, scene.camera.to_json(), pictures_hash([picture]))


def scene_at(
    datastack: Datastack,
    center_nm: PointNm,
    roots: Sequence[int],
    spec: RenderSpec,
    backend: LookBackend | None = None,
) -> Scene:
    """Return the scene of a site: its one or two segments, loaded as far as is looked.

    Raises
    ------
    InputError, NotFoundError, ServiceError
        If a mesh cannot be had; see `MeshFetcher.around`.
    """
    meshes = MeshFetcher(datastack)

    def load(middle: PointNm, reach: float) -> SceneContent:
        found: list[Surface] = []
        for root, color in zip(roots, (spec.color_a, spec.color_b), strict=False):
            try:
                found.append(meshes.around(root, middle, reach, color=color))
            except NotInViewError:
                continue  # A view beside one of the two shows the other alone.
        return SceneContent(tuple(found), middle, reach)

    content = load(center_nm, spec.half_extent_nm * spec.crop_factor)
    return Scene(content, spec, backend=backend, load=load)


def _apply(scene: Scene, look: Look) -> None:
    moves: dict[str, Callable[..., None]] = {
        "move": scene.move,
        "zoom": scene.zoom,
        "rotate": scene.rotate,
    }
    if look.kind in moves:
        moves[look.kind](*look.numbers)
    else:
        scene.look(look.kind)


def _is_near(scene: Scene) -> bool:
    camera, start = scene.camera, scene.start
    reach = start.half_extent_nm
    away = float(np.linalg.norm(np.subtract(camera.center_nm, start.center_nm)))
    return away <= _FARTHEST * reach and (
        _NEAREST * reach <= camera.half_extent_nm <= _FARTHEST * reach
    )
