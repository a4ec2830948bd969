"""A cache that counts bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["ByteCache"]

V = TypeVar("V")


class ByteCache(Generic[V]):
    """The most recently used values, as many as fit; safe to share between threads.

    Parameters
    ----------
    limit_bytes : int
        What all values may weigh together; a value heavier than that is not kept.
    weigh : callable
        Returns the bytes of a value.
    """

    def __init__(self, limit_bytes: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit_bytes
        self._weigh = weigh
        self._items: OrderedDict[Hashable, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """What the values weigh now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of a key, made now if it is not here.

        Two threads that miss the same key both make it: waiting for a slow server
        while holding the lock would stop everybody else.
        """
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        value = make()
        with self._lock:
            self._put(key, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()
            self._bytes = 0

    def _put(self, key: Hashable, value: V) -> None:
        weight = self._weigh(value)
        if weight > self._limit or key in self._items:
            return
        self._items[key] = value
        self._bytes += weight
        while self._bytes > self._limit:
            _, oldest = self._items.popitem(last=False)
            self._bytes -= self._weigh(oldest)
