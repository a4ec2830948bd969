"""CAVE, through caveclient and cloud-volume.

Importing this loads caveclient; callers import it where they need it.
"""

from __future__ import annotations

from connectome.cave.annotations import CaveAnnotations
from connectome.cave.client import CaveConnection, connect, normal_server
from connectome.cave.datastack import CaveDatastack
from connectome.cave.graph import CaveGraph
from connectome.cave.permission import edit_permission

__all__ = [
    "CaveAnnotations",
    "CaveConnection",
    "CaveDatastack",
    "CaveGraph",
    "connect",
    "edit_permission",
    "normal_server",
]
