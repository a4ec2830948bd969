"""Use-case: the bundled demo, made once from its recipe."""

from __future__ import annotations

from collections.abc import Callable

from app.services.opening import Opened, demo_session
from app.services.settings import demo_folder
from connectome.errors import DatastackError
from connectome.offline.layout import DatastackFolder

__all__ = ["DEMO_NAME", "ensure_demo"]

DEMO_NAME = "offline_demo"


def ensure_demo(report: Callable[[str, float | None], None] | None = None) -> Opened:
    """Return the demo's session and datastack, grown and ingested on first use.

    A datastack that was cut off half-way, or made from another recipe, is made again.
    """
    tell = report or (lambda label, fraction: None)  # noqa: ARG005
    folder = demo_folder() / DEMO_NAME
    if not _is_whole(folder):
        _make(tell)
    return Opened(demo_session(), str(folder))


def _is_whole(folder: object) -> bool:
    try:
        DatastackFolder.open(str(folder))
    except DatastackError:
        return False
    return True


def _make(tell: Callable[[str, float | None], None]) -> None:
    from connectome.offline.ingest import IngestRequest, ingest
    from connectome.offline.synthetic.recipe import load_recipe
    from connectome.offline.synthetic.volume import make_demo

    tell("growing the demo's tissue", None)
    volumes = make_demo(load_recipe())
    request = IngestRequest(
        em=volumes.em,
        segmentation=volumes.segmentation,
        supervoxels=volumes.supervoxels,
        groundtruth=volumes.groundtruth,
        resolution_nm=volumes.resolution_nm,
        name=DEMO_NAME,
        out=demo_folder() / DEMO_NAME,
    )
    ingest(request, tell)
