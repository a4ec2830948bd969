"""The answer of a chunked graph that does not apply an edit."""

from __future__ import annotations

__all__ = ["GraphRefusalError"]


class GraphRefusalError(Exception):
    """A request that the graph refuses, in the production's words.

    Parameters
    ----------
    status : int
        400 for a request that cannot be met, 500 for a lock that could not be had.
    message : str
        What the service answers.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
