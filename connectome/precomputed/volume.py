"""Voxels of precomputed volumes, through cloud-volume, local (``file://``) and remote."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
from numpy.typing import NDArray

from connectome.errors import (
    AuthError,
    DatastackError,
    MissingPackageError,
    NotFoundError,
    OfflineError,
    ProofdeskError,
    ServiceError,
)
from connectome.space import BoxNm, Cutout, Scale

__all__ = ["PrecomputedVolume", "local_path", "normal_url", "translated"]

_CACHE_BYTES = 64 << 20
"""Unpacked chunks kept per volume: slices and partners of one site read the same ones."""
_ASK_SECONDS = 10.0


def normal_url(url: str) -> str:
    """Return a cloud-volume path for an address or a local folder."""
    text = url.removeprefix("precomputed://").rstrip("/")
    if "://" in text:
        return text
    return Path(text).expanduser().resolve().as_uri()


class PrecomputedVolume:
    """Voxels of one precomputed volume.

    Parameters
    ----------
    url : str
        ``file://``, ``http(s)://``, ``gs://`` or ``graphene://`` address.
    secrets : dict, optional
        Token for graphene.

    Raises
    ------
    DatastackError
        If there is no precomputed volume.
    OfflineError
        If its server does not answer.
    """

    def __init__(self, url: str, secrets: dict[str, str] | None = None) -> None:
        self.url = url
        self._volume = _open(url, secrets)
        # cloud-volume's cache of unpacked chunks is not made for several threads.
        self._lock = threading.Lock()

    @cached_property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        meta = self._volume.meta
        return tuple(
            Scale(
                _floats(meta.resolution(mip)),
                _ints(meta.volume_size(mip)),
                _ints(meta.voxel_offset(mip)),
            )
            for mip in range(len(self._volume.info["scales"]))
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        dtype: np.dtype[Any] = np.dtype(self._volume.dtype)
        return dtype

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return the voxels of a box, cut at the volume's faces, as they are stored.

        Raises
        ------
        OutsideVolumeError
            If the box holds no voxel.
        """
        first, last = self.scales[scale].clip(box)
        return Cutout(self.read_voxels(first, last, scale), first, self.scales[scale])

    def read_voxels(
        self, first: tuple[int, int, int], last: tuple[int, int, int], scale: int
    ) -> NDArray[Any]:
        """Return voxels, shape (z, y, x), from ``first`` to before ``last`` (x, y, z)."""
        from cloudvolume import Bbox

        with self._lock, translated(self.url):
            xyzc = self._volume.download(Bbox(first, last), mip=scale)
        return np.ascontiguousarray(np.asarray(xyzc)[..., 0].T)

    @property
    def meshes(self) -> Any:
        """Cloud-volume's mesh source."""
        return self._volume.mesh


def local_path(url: str) -> Path:
    """Return the folder that a ``file://`` address names."""
    return Path(url2pathname(unquote(urlsplit(url).path)))


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate what cloud-volume raises when a file or server cannot be read."""
    import requests
    from cloudvolume import exceptions

    try:
        yield
    except ProofdeskError:
        raise
    except exceptions.InfoUnavailableError as error:
        raise DatastackError(
            f"There is no precomputed volume at {url}.", "Check the address."
        ) from error
    except ImportError as error:
        raise MissingPackageError(
            f"The volume at {url} is packed in a way that cannot be read here: {error}.",
            'Install everything with: pip install "proofdesk[all]"',
        ) from error
    except requests.HTTPError as error:
        raise _status_error(error.response, url) from error
    except requests.RequestException as error:
        raise OfflineError(
            f"The voxels at {url} cannot be read.",
            "Check the network connection and your permissions, then try again.",
        ) from error


def _status_error(response: Any, url: str) -> ServiceError:
    status = None if response is None else response.status_code
    if status in (400, 404):
        return NotFoundError(f"What was asked for does not exist at {url}.")
    if status in (401, 403):
        return AuthError(
            f"You may not read {url} with the present token.",
            "Save a valid token, or ask the owners of the dataset for the permission.",
        )
    return ServiceError(f"The server of {url} answered with status {status}.", "Try again later.")


def _open(url: str, secrets: dict[str, str] | None) -> Any:
    from cloudvolume import CloudVolume

    _ask_first(url)
    with translated(url):
        return CloudVolume(
            url,
            progress=False,
            fill_missing=True,
            bounded=True,
            parallel=1,
            lru_bytes=_CACHE_BYTES,
            secrets=secrets,
        )


def _ask_first(url: str) -> None:
    """Find out quickly whether there is a volume: cloud-volume would retry for minutes."""
    import requests

    if url.startswith("file://"):
        if not (local_path(url) / "info").is_file():
            raise DatastackError(
                f"There is no precomputed volume in {local_path(url)}.",
                "Give a folder that holds an info file.",
            )
    elif url.startswith(("http://", "https://")):
        try:
            answer = requests.get(f"{url}/info", timeout=_ASK_SECONDS)
        except requests.RequestException as error:
            raise OfflineError(
                f"The server of {url} does not answer.",
                "Check the network connection and the address.",
            ) from error
        if answer.status_code >= 400:
            raise DatastackError(
                f"There is no precomputed volume at {url} (status {answer.status_code}).",
                "Check the address.",
            )


def _floats(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _ints(values: Any) -> tuple[int, int, int]:
    x, y, z = (int(v) for v in values)
    return x, y, z
