"""CAVE, through caveclient and cloud-volume.

Importing this loads caveclient; callers import it where they need it.
"""

from __future__ import annotations

from connectome.cave.client import CaveConnection, connect, normal_server
from connectome.cave.datastack import CaveDatastack
from connectome.cave.graph import CaveGraph

__all__ = ["CaveConnection", "CaveDatastack", "CaveGraph", "connect", "normal_server"]
