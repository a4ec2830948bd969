"""What the language model's process and the program say to each other, one JSON line each.

Nothing here imports the model's libraries: the program's own process reads and writes
these lines without ever loading them.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from connectome.errors import ModelError
from inference.prompts.writing import Prompt
from proofreading.verdicts import Task

__all__ = [
    "VERSION",
    "Alive",
    "Answered",
    "Ask",
    "Asked",
    "Cancel",
    "Done",
    "Failed",
    "Hello",
    "Load",
    "Loaded",
    "Reply",
    "Request",
    "Unload",
    "Unloaded",
    "picture_from",
    "picture_to",
    "read_reply",
    "read_request",
]

VERSION = 1


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def line(self) -> str:
        """Return it as one line."""
        return self.model_dump_json() + "\n"


class Load(_Line):
    """Load a model, in place of the one that is loaded."""

    kind: Literal["load"] = "load"
    model: str
    adapter: str | None = None
    device: str = "auto"
    four_bit: bool = False


class Asked(_Line):
    """One question: the words, and its pictures as PNG in base 64."""

    task: Task
    shared: str
    question: str
    views: tuple[str, ...]
    slices: tuple[str, ...]
    sha256: str
    pictures: tuple[str, ...]

    @classmethod
    def of(cls, prompt: Prompt, pictures: tuple[NDArray[np.uint8], ...]) -> Asked:
        """Return a prompt and its pictures as a message."""
        return cls(
            task=prompt.task,
            shared=prompt.shared,
            question=prompt.question,
            views=prompt.views,
            slices=prompt.slices,
            sha256=prompt.sha256,
            pictures=tuple(picture_to(picture) for picture in pictures),
        )

    def prompt(self) -> Prompt:
        """Return the words."""
        return Prompt(self.task, self.shared, self.question, self.views, self.slices, self.sha256)


class Ask(_Line):
    """Ask several questions; `reasons` lets the model write, else only yes and no are weighed."""

    kind: Literal["ask"] = "ask"
    id: int
    questions: tuple[Asked, ...]
    reasons: bool = False
    most_tokens: int = 400
    temperature: float = 0.0
    seed: int = 0


class Cancel(_Line):
    """Leave out what is still to be answered of a request."""

    kind: Literal["cancel"] = "cancel"
    id: int


class Unload(_Line):
    """Give the model's memory back."""

    kind: Literal["unload"] = "unload"


class Hello(_Line):
    """The first line of the process."""

    kind: Literal["hello"] = "hello"
    version: int
    pid: int


class Loaded(_Line):
    """The model is ready; `provider` is what runs it."""

    kind: Literal["loaded"] = "loaded"
    model: str
    provider: str
    memory_bytes: int


class Unloaded(_Line):
    """The model is gone; how much memory it still holds."""

    kind: Literal["unloaded"] = "unloaded"
    memory_bytes: int


class Answered(_Line):
    """The answer to one question of a request; no logit where it could not be read."""

    kind: Literal["answered"] = "answered"
    id: int
    index: int
    logit: FiniteFloat | None
    analysis: str = ""
    confidence: FiniteFloat | None = None
    text: str = ""
    latency_ms: float


class Done(_Line):
    """A request is finished, or what was left of it is left out."""

    kind: Literal["done"] = "done"
    id: int
    canceled: bool = False


class Failed(_Line):
    """A request, or loading (no id), went wrong; the process goes on."""

    kind: Literal["failed"] = "failed"
    id: int | None
    reason: str
    hint: str = ""


class Alive(_Line):
    """Sent once a second, so that a process that hangs is told from one that works."""

    kind: Literal["alive"] = "alive"


Request = Annotated[Load | Ask | Cancel | Unload, Field(discriminator="kind")]
Reply = Annotated[
    Hello | Loaded | Unloaded | Answered | Done | Failed | Alive, Field(discriminator="kind")
]
_REQUESTS: TypeAdapter[Load | Ask | Cancel | Unload] = TypeAdapter(Request)
_REPLIES: TypeAdapter[Hello | Loaded | Unloaded | Answered | Done | Failed | Alive] = TypeAdapter(
    Reply
)


def read_request(line: str) -> Load | Ask | Cancel | Unload:
    """Read a line that the program wrote.

    Raises
    ------
    ModelError
        If it is none.
    """
    try:
        return _REQUESTS.validate_json(line)
    except ValidationError as error:
        raise _unreadable(line) from error


def read_reply(line: str) -> Hello | Loaded | Unloaded | Answered | Done | Failed | Alive:
    """Read a line that the model's process wrote.

    Raises
    ------
    ModelError
        If it is none.
    """
    try:
        return _REPLIES.validate_json(line)
    except ValidationError as error:
        raise _unreadable(line) from error


def picture_to(picture: NDArray[np.uint8]) -> str:
    """Return a picture (height, width, 3) as PNG in base 64."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def picture_from(text: str) -> NDArray[np.uint8]:
    """Return the picture (height, width, 3) of a PNG in base 64."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return np.asarray(image.convert("RGB"))


def _unreadable(line: str) -> ModelError:
    return ModelError(
        f"The language model's process wrote something unreadable: {line[:80]!r}.",
        "Start it again; if it stays, the installation is mixed from two versions.",
    )


def path_or_none(text: str | None) -> Path | None:
    """Return a path that may be absent."""
    return None if text is None else Path(text)
