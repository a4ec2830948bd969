"""Faults on demand: everything that real servers do to an edit, whenever it is wanted.

A service without faults passes one test of a flag per request. What happens before and
after a handler happens here; what happens inside an edit comes in through
`connectome.offline.seams`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectome.offline.rewiring import Switches
from connectome.offline.seams import Seams
from connectome.offline.service.fault_spec import ROOT_READS, FaultSpec
from connectome.offline.service.partial import holding_together
from connectome.offline.service.wire import Call, WireError, error_reply
from connectome.offline.state import GraphState

if TYPE_CHECKING:
    from connectome.offline.service.routing import Handler
    from connectome.offline.service.state import ServiceState

__all__ = ["ABORT", "Faults"]

ABORT = "proofdesk.abort"
"""Name of the ASGI extension that cuts the connection."""

_REQUEST: ContextVar[str] = ContextVar("proofdesk_route", default="")
"""The route whose handler runs; worker threads inherit it."""


@dataclass
class _Armed:
    """A fault that is switched on."""

    spec: FaultSpec
    chance: Random
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.spec.times

    def happens(self) -> bool:
        if self.left == 0 or self.chance.random() >= self.spec.chance:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The faults of one service; they can be switched while it runs, from any thread.

    Parameters
    ----------
    specs : iterable of str
        Faults as `FaultSpec.parse` reads them.
    seed : int
        The same faults with the same seed happen at the same occasions.

    Raises
    ------
    InputError
        If a fault cannot be understood.
    """

    def __init__(self, specs: Iterable[str] = (), seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._routes: frozenset[str] = frozenset()
        self._armed: tuple[_Armed, ...] = ()
        self._happened: Counter[str] = Counter()
        self.seams = Seams(switches=self._switches, commit=self._commit)
        self.switch_on(*specs)

    def switch_on(self, *specs: str) -> None:
        """Add faults to those that are on.

        Raises
        ------
        InputError
            If a fault cannot be understood; none is added then.
        """
        read = [FaultSpec.parse(text, self._routes) for text in specs]
        with self._lock:
            start = len(self._armed)
            self._armed += tuple(
                _Armed(spec, Random(f"{self._seed}/{start + k}/{spec.text}"))
                for k, spec in enumerate(read)
            )

    def clear(self) -> None:
        """Switch everything off; what has begun goes on."""
        with self._lock:
            self._armed = ()

    def happened(self) -> dict[str, int]:
        """Return how often each fault has happened, by its text."""
        with self._lock:
            return dict(self._happened)

    def know_routes(self, names: Collection[str]) -> None:
        """Check the targets, now and later, against the names of the routes there are.

        Raises
        ------
        InputError
            If a fault that is on names none of them.
        """
        self._routes = frozenset(names)
        for armed in self._armed:
            FaultSpec.parse(armed.spec.text, self._routes)

    async def answer(
        self, route: str, handler: Handler, state: ServiceState, call: Call
    ) -> Response:
        """Answer a request as `handler` does, with what the faults make of it."""
        if not self._armed:
            return await run_in_threadpool(handler, state, call)
        _REQUEST.set(route)
        started = time.monotonic()
        if (fault := self._draw("delay", route)) is not None:
            await asyncio.sleep(fault.ms / 1000)
        refusal = self._instead(route, started)
        if refusal is not None:
            return refusal
        reply = await run_in_threadpool(handler, state, self._as_of(route, state, call))
        if self._draw("drop-after", route) is not None:
            return Dropped()
        if self._draw("500-after", route) is not None:
            # As when production has written an edit and cannot tell its mesher.
            return error_reply(WireError(500, "The message queue cannot be reached."), started)
        return reply

    def _instead(self, route: str, started: float) -> Response | None:
        """Return what is answered in place of doing anything, None mostly."""
        if self._draw("drop-before", route) is not None:
            return Dropped()
        if self._draw("503", route) is not None:
            return error_reply(WireError(503, "Service Unavailable"), started)
        if self._draw("busy", route) is not None:
            return error_reply(WireError(500, "Could not acquire root lock"), started)
        return None

    def _as_of(self, route: str, state: ServiceState, call: Call) -> Call:
        """Return the call, of a moment before the last edit where the answer is to be stale."""
        if route not in ROOT_READS or call.query.get("timestamp"):
            return call
        now = state.engine.state
        age_ms = time.time() * 1000 - now.last_ms
        if not now.last_operation or self._draw("stale-root", route, age_ms) is None:
            return call
        return replace(call, query={**call.query, "timestamp": repr((now.last_ms - 1) / 1000)})

    def _switches(self, state: GraphState, planned: Switches) -> Switches:
        """Let a split be partial, where it can be."""
        if not self._armed or _REQUEST.get() != "split":
            return planned
        part = holding_together(state, planned)
        if part is None or self._draw("partial", "split") is None:
            return planned
        return part

    def _commit(self, via: sqlite3.Connection) -> None:
        """Let the disk be slow or full."""
        route = _REQUEST.get()
        if self._armed and route:
            slow = self._draw("slow-disk", route)
            if slow is not None:
                time.sleep(slow.ms / 1000)
            if self._draw("full-disk", route) is not None:
                raise sqlite3.OperationalError("database or disk is full")
        via.commit()

    def _draw(self, kind: str, route: str, age_ms: float = 0.0) -> FaultSpec | None:
        """Return the fault of a kind that happens to a request, None mostly.

        Those that last less than ``age_ms`` are over.
        """
        with self._lock:
            for armed in self._armed:
                spec = armed.spec
                if spec.hits(kind, route) and age_ms <= spec.ms and armed.happens():
                    self._happened[spec.text] += 1
                    return spec
        return None


class Dropped(Response):
    """No answer: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut it, and return when the server knows."""
        del send
        scope["extensions"][ABORT]()
        while (await receive())["type"] != "http.disconnect":
            continue  # What came of the body before.
