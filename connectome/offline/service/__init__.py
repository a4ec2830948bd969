"""The loopback service: what real CAVE clients and Neuroglancer talk to.

Importing this loads the web server; callers import it where they need it.
"""

from __future__ import annotations

from connectome.offline.service.connections import Limits
from connectome.offline.service.faults import Faults
from connectome.offline.service.holder import RunningAddress, find_running
from connectome.offline.service.server import RunningService, run, serve
from connectome.offline.service.static import RunningFiles, serve_files

__all__ = [
    "Faults",
    "Limits",
    "RunningAddress",
    "RunningFiles",
    "RunningService",
    "find_running",
    "run",
    "serve",
    "serve_files",
]
