"""What the handlers of the service share."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from connectome.offline.annotations import AnnotationStore
from connectome.offline.engine import GraphEngine
from connectome.offline.l2_store import L2Store
from connectome.offline.layout import DatastackFolder
from connectome.offline.live_tables import LiveTables
from connectome.offline.meshing import MeshStore
from connectome.offline.remeshing import Remesher
from connectome.offline.service.faults import Faults
from connectome.offline.skeleton_store import SkeletonStore
from connectome.offline.states import StateStore

__all__ = ["VERSION", "Capability", "ServiceState"]

VERSION = "2.21.1+offline"
"""What the chunked graph calls itself: clients gate on it; ``+offline`` marks it as local."""


@dataclass(frozen=True, kw_only=True)
class Capability:
    """Where a server answers and what lets a viewer read.

    Parameters
    ----------
    base_url : str
        ``http://127.0.0.1:PORT``.
    secret : str
        The path capability: whoever holds it may read.
    allowed_origins : frozenset of str
        Web origins beyond loopback whose pages may read.
    """

    base_url: str
    secret: str = field(repr=False)
    allowed_origins: frozenset[str] = frozenset()

    @property
    def read_url(self) -> str:
        """The address under which everything can be read without a token."""
        return f"{self.base_url}/t/{self.secret}"

    def is_secret(self, text: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(text.encode(), self.secret.encode())

    def is_token(self, text: str) -> bool:
        """Tell whether this is the token; without one, nothing is."""
        del text
        return False


@dataclass(frozen=True, kw_only=True)
class ServiceState(Capability):
    """One datastack being served.

    Parameters
    ----------
    folder : DatastackFolder
        The files.
    engine : GraphEngine
        The one writer of the graph.
    meshes : MeshStore
        Surfaces of level-2 nodes.
    remesher : Remesher
        Makes those of new nodes in the background.
    l2 : L2Store
        Places, sizes and shapes of level-2 nodes.
    skeletons : SkeletonStore
        Skeletons, kept or traced.
    annotations : AnnotationStore
        Annotation tables.
    live : LiveTables
        The same, joined with the graph.
    states : StateStore
        Viewer states that were posted.
    token : str
        32 hexadecimal digits: whoever holds it may edit.
    faults : Faults
        What goes wrong on demand; nothing for a person.
    """

    folder: DatastackFolder
    engine: GraphEngine
    meshes: MeshStore
    remesher: Remesher
    l2: L2Store
    skeletons: SkeletonStore
    annotations: AnnotationStore
    live: LiveTables
    states: StateStore
    token: str = field(repr=False)
    faults: Faults = field(default_factory=Faults, repr=False)

    def is_token(self, text: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(text.encode(), self.token.encode())
