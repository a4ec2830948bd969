"""The whole loop on the bundled demo: how long each step takes, and what it gains."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.demo import demo_request, quiet
from benchmarks.measured import Measured

__all__ = ["loop_rows"]

Result = TypeVar("Result")


def loop_rows() -> Iterator[Measured]:
    """Measure the steps of the loop on the bundled demo, in a folder of their own."""
    from app.services.deciding import decide_automatically
    from app.services.detecting import detect_into
    from app.services.exporting import export_session
    from app.services.judging import judge_session
    from app.services.scoring import score_folder
    from connectome.offline.ingest import ingest

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        out, session = Path(scratch) / "datastack", Path(scratch) / "s.proofdesk"
        (request, voxels), seconds = _timed(lambda: demo_request(out))
        yield Measured("grow the demo", seconds, "s", "< 30", seconds < 30)
        _, seconds = _timed(lambda: ingest(request, quiet))
        yield Measured("ingest", voxels / seconds / 1e6, "Mvoxel/s", note="meshes included")
        before = score_folder(out)
        found, seconds = _timed(lambda: detect_into(str(out), session, report=quiet))
        yield Measured("detect", found.sites / seconds, "sites/s", n=found.sites)
        judged, seconds = _timed(lambda: judge_session(session, report=quiet))
        yield Measured("judge", judged.sites_judged / seconds, "sites/s", n=judged.sites_judged)
        decide_automatically(session, accept_above=0.9, reject_below=0.0, unlock=True)
        sent, seconds = _timed(
            lambda: export_session(session, dry_run=False, tables=None, report=quiet)
        )
        rate = sent.applied / seconds if sent.applied else None
        yield Measured(
            "export", rate, "edits/s", n=sent.applied, note="one at a time, each verified"
        )
        after = score_folder(out)
        yield Measured("VI before", before.vi, "nats")
        yield Measured("VI after", after.vi, "nats", "falls", after.vi < before.vi)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
