"""Where a judge of pictures looked: what its answer loses when a part is hidden.

Occlusion, as in M. D. Zeiler and R. Fergus, Visualizing and Understanding Convolutional
Networks (2014): a patch of the microscopy is replaced by what surrounds it, and the change
of the score is noted there. The masks of both segments stay: the question stays the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from inference.judges.base import Judge, PairSample

__all__ = ["Deletion", "Saliency", "SeenSaliency", "deletion_test", "occluding", "occlusion"]

BATCH = 32
"""Hidden places that are judged in one step."""
BLUR_SHARE = 0.12
"""Of a picture's width: what a hidden part shows is its surroundings, not a black hole."""


@dataclass(frozen=True)
class Saliency:
    """What speaks for an answer, and where.

    Parameters
    ----------
    heat : ndarray of float32, shape (planes, height, width)
        Change of the score (a logit) that hiding each place makes: positive where the place
        speaks for a yes, negative where it speaks for a no.
    raw_score : float
        The score of the whole pictures.
    """

    heat: NDArray[np.float32]
    raw_score: float

    @property
    def supporting(self) -> NDArray[np.float32]:
        """How much each place speaks for the answer that was given, whichever it is."""
        return self.heat if self.raw_score >= 0 else -self.heat


@dataclass(frozen=True)
class Deletion:
    """What hiding the same share of the pictures did to the score.

    Parameters
    ----------
    salient, random : float
        How far the score moved away from the answer: with the places that the saliency
        names, and with places drawn at random (mean of several draws).
    """

    salient: float
    random: float


@dataclass(frozen=True, eq=False)
class SeenSaliency:
    """A saliency as it is shown: which slices it lies on, and what it is worth.

    Parameters
    ----------
    model_id : str
        Whose it is.
    supporting : ndarray of float32, shape (planes, height, width)
        How much each place speaks for the answer.
    planes : tuple of str
        The slices, by name.
    half_extent_nm : float
        Half the width of each, around the same middle as the person's slices.
    says_yes : bool
        What the answer is.
    deletion : Deletion
        What hiding those places does to the score, and hiding others.
    """

    model_id: str
    supporting: NDArray[np.float32]
    planes: tuple[str, ...]
    half_extent_nm: float
    says_yes: bool
    deletion: Deletion


def occlusion(judge: Judge, sample: PairSample, *, patch: int = 16, step: int = 8) -> Saliency:
    """Return where a judge looked.

    Raises
    ------
    ModelError
        If the pictures are not of the judge's kind.
    """
    steps = occluding(judge, sample, patch=patch, step=step)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Saliency = end.value
            return found


def occluding(
    judge: Judge, sample: PairSample, *, patch: int = 16, step: int = 8
) -> Generator[None, None, Saliency]:
    """Find where a judge looked, in steps of a fraction of a second.

    Parameters
    ----------
    judge : Judge
        Any judge of pictures.
    sample : PairSample
        The question.
    patch, step : int
        Edge of the hidden square, and how far it moves, in pixels.

    Raises
    ------
    ModelError
        If the pictures are not of the judge's kind.
    """
    em = sample.slices.em
    hidden = _blurred(em)
    whole = judge.judge([sample])[0].raw_score
    total = np.zeros(em.shape, np.float64)
    count = np.zeros(em.shape, np.float64)
    places = list(_places(em.shape, patch, step))
    for begin in range(0, len(places), BATCH):
        squares = [_square(place, patch) for place in places[begin : begin + BATCH]]
        opinions = judge.judge([_with(sample, em, hidden, square) for square in squares])
        for square, opinion in zip(squares, opinions, strict=True):
            total[square] += whole - opinion.raw_score
            count[square] += 1
        yield
    heat = (total / np.maximum(count, 1)).astype(np.float32)
    return Saliency(heat, whole)


def deletion_test(
    judge: Judge,
    sample: PairSample,
    saliency: Saliency,
    *,
    share: float = 0.2,
    draws: int = 8,
    patch: int = 8,
    seed: int = 0,
) -> Deletion:
    """Hide what the saliency names, and as much at random, and compare.

    A saliency that means something moves the score further than chance does.

    Parameters
    ----------
    share : float
        How much of the pictures is hidden, 0 to 1.
    draws : int
        Random choices to average.
    patch : int
        Edge of the squares that are hidden, in pixels: random single pixels would blur into
        nothing and make the comparison unfair.
    """
    em = sample.slices.em
    hidden = _blurred(em)
    squares = [_square(place, patch) for place in _places(em.shape, patch, patch)]
    number = max(1, round(share * len(squares)))
    heat = [float(saliency.supporting[square].mean()) for square in squares]
    chosen = [np.argsort(heat)[::-1][:number]]
    rng = np.random.default_rng(seed)
    chosen += [rng.choice(len(squares), number, replace=False) for _ in range(draws)]
    changed = [_with_all(sample, em, hidden, [squares[i] for i in each]) for each in chosen]
    sign = 1.0 if saliency.raw_score >= 0 else -1.0
    moved = [sign * (saliency.raw_score - o.raw_score) for o in judge.judge(changed)]
    return Deletion(moved[0], float(np.mean(moved[1:])))


def _blurred(em: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sigma = BLUR_SHARE * em.shape[-1]
    return np.stack([gaussian_filter(plane.astype(np.float32), sigma) for plane in em]).astype(
        np.uint8
    )


Index = tuple[int, slice, slice]
Place = tuple[int, int, int]


def _places(shape: Sequence[int], patch: int, step: int) -> Iterator[Place]:
    planes, height, width = shape
    for plane in range(planes):
        for row in _starts(height, patch, step):
            for column in _starts(width, patch, step):
                yield plane, row, column


def _starts(length: int, patch: int, step: int) -> list[int]:
    """Return where squares begin, so that the last one ends with the picture."""
    last = max(0, length - patch)
    return sorted({*range(0, last, step), last})


def _square(place: Place, patch: int) -> Index:
    plane, row, column = place
    return plane, slice(row, row + patch), slice(column, column + patch)


def _with(
    sample: PairSample, em: NDArray[np.uint8], hidden: NDArray[np.uint8], square: Index
) -> PairSample:
    return _with_all(sample, em, hidden, [square])


def _with_all(
    sample: PairSample,
    em: NDArray[np.uint8],
    hidden: NDArray[np.uint8],
    squares: Sequence[Index],
) -> PairSample:
    changed = em.copy()
    for square in squares:
        changed[square] = hidden[square]
    return replace(sample, slices=replace(sample.slices, em=changed))
