"""The pictures that a language model is shown: those of a person, made with the model's specs.

Training and judging both take them from here, so that they are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import InputError
from connectome.space import PointNm
from rendering.backend import ViewBackend
from rendering.pictures import PictureMaker
from rendering.spec import EMSpec, RenderSpec

__all__ = ["QuestionPictures", "pictures_hash"]

Pictures = tuple[NDArray[np.uint8], ...]


class QuestionPictures:
    """Makes the pictures of questions about a datastack.

    Parameters
    ----------
    datastack : Datastack
        Where voxels and meshes come from.
    render : RenderSpec
        The views.
    em : EMSpec or None
        The slices; none are made if None.
    views : ViewBackend or None
        What draws meshes; octarine if None.
    """

    def __init__(
        self,
        datastack: Datastack,
        render: RenderSpec,
        em: EMSpec | None = None,
        views: ViewBackend | None = None,
    ) -> None:
        self.datastack = datastack
        self._slices = em is not None
        self._maker = PictureMaker(
            datastack, render=render, person_em=em or EMSpec(), backend=views
        )

    def at(self, center_nm: PointNm, root_a: int, root_b: int | None = None) -> Pictures:
        """Return views, then slices, each of shape (height, width, 3), uint8.

        Raises
        ------
        InputError
            If one of them cannot be made, or something is missing in it: a judge is shown
            nothing that is not whole.
        """
        made = dict(self._maker.views(center_nm, root_a, root_b))
        if self._slices:
            made |= self._maker.slices(center_nm, root_a, root_b)
        pictures = []
        for name, picture in made.items():
            if picture.rgb is None or not picture.ready:
                raise InputError(
                    f"The picture {name} of this site cannot be shown to a model: "
                    f"{picture.reason or picture.state.value}",
                    "Ask again later, or answer without a verdict.",
                )
            pictures.append(np.ascontiguousarray(picture.rgb[..., :3]))
        return tuple(pictures)


def pictures_hash(pictures: Sequence[NDArray[np.uint8]]) -> str:
    """Return the sha256 over shapes and pixels of pictures, in order."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr(picture.shape).encode())
        digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()
