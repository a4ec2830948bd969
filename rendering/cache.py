"""A cache in memory that counts bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
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
        self._making: dict[Hashable, Future[V]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """What the values weigh now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of a key, made now if it is not here.

        Threads that miss the same key wait for the first of them, and get what it
        makes or the error that stops it; those that ask for other keys are not held up.
        """
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            coming = self._making.get(key)
            if coming is None:
                mine = self._making[key] = Future()
        return self._made(key, make, mine) if coming is None else coming.result()

    def clear(self) -> None:
        """Forget everything, what is being made now included."""
        with self._lock:
            self._items.clear()
            self._making.clear()
            self._bytes = 0

    def _made(self, key: Hashable, make: Callable[[], V], mine: Future[V]) -> V:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                self._land(key, mine)
            mine.set_exception(error)
            raise
        with self._lock:
            if self._land(key, mine):
                self._put(key, value)
        mine.set_result(value)
        return value

    def _land(self, key: Hashable, mine: Future[V]) -> bool:
        """Tell whether nobody has cleared the cache while this value was made."""
        if self._making.get(key) is not mine:
            return False
        del self._making[key]
        return True

    def _put(self, key: Hashable, value: V) -> None:
        weight = self._weigh(value)
        if weight > self._limit:
            return
        self._items[key] = value
        self._bytes += weight
        while self._bytes > self._limit:
            _, oldest = self._items.popitem(last=False)
            self._bytes -= self._weigh(oldest)
