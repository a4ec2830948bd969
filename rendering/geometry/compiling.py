"""Numba, with what it compiled kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from platformdirs import user_cache_path

from connectome.errors import MissingPackageError

__all__ = ["compiled"]

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, compiled when it is first called; it lets other threads run.

    What was compiled is kept in the cache folder of the program, and beside the source
    or nowhere if that cannot be written.

    Raises
    ------
    MissingPackageError
        If numba is not installed.
    """
    numba = _numba()
    with _cache_folder(numba.config):
        try:
            made = numba.njit(nogil=True, cache=True)(function)
        except RuntimeError:
            # Numba found no folder at all that it may write to.
            made = numba.njit(nogil=True)(function)
    return cast("Callable[P, R]", made)


def _numba() -> Any:
    try:
        import numba
    except ImportError as error:
        raise MissingPackageError(
            "Geometry is drawn with the package numba, which is not installed.",
            "Install Proofdesk with its extra: pip install 'proofdesk[render]'.",
        ) from error
    return numba


@contextmanager
def _cache_folder(config: Any) -> Iterator[None]:
    """Give numba the program's cache folder, unless the person has given it one."""
    given = config.CACHE_DIR
    config.CACHE_DIR = given or str(user_cache_path("proofdesk") / "numba")
    try:
        yield
    finally:
        config.CACHE_DIR = given
