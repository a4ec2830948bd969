"""A dataset on a CAVE server."""

from __future__ import annotations

import threading
from functools import cached_property
from urllib.parse import urlsplit

from connectome.cave.annotations import CaveAnnotations
from connectome.cave.client import CaveConnection, connect
from connectome.cave.graph import CaveGraph
from connectome.cave.object_facts import CaveFacts
from connectome.cave.permission import edit_permission
from connectome.cave.skeletons import CaveSkeletons
from connectome.datastack import Imagery, Mesh, Segmentation, ViewerSources
from connectome.errors import AuthError, NotFoundError, ServiceError
from connectome.graph import Ids, Permission
from connectome.objects import SomaTable
from connectome.precomputed import (
    MappedSegmentation,
    PrecomputedImagery,
    PrecomputedVolume,
    supervoxel_at,
)
from connectome.precomputed.meshes import mesh_of
from connectome.precomputed.volume import translated
from connectome.space import BoxNm, PointNm

__all__ = ["CaveDatastack"]


class CaveDatastack:
    """The datastack ``cave:NAME@SERVER``.

    Parameters
    ----------
    name, server : str
        The datastack and its server.
    token : str, optional
        The person's CAVE token; read from the ecosystem's files if absent.

    Raises
    ------
    AuthError
        If there is no token, or it is expired or lacks the permission.
    NotFoundError
        If the server does not know the datastack.
    OfflineError
        If the server does not answer.
    """

    def __init__(self, name: str, server: str, token: str | None = None) -> None:
        self._connection = connect(name, server, token)
        self._graph = CaveGraph(self._connection)

    @property
    def name(self) -> str:
        """The datastack's name on the server."""
        return self._connection.name

    @property
    def address(self) -> str:
        """``cave:NAME@SERVER``."""
        return f"cave:{self._connection.name}@{self._connection.server}"

    @cached_property
    def imagery(self) -> Imagery | None:
        """The microscopy, or None where the server names none that can be read."""
        source = self._image_source
        if not source:
            return None
        return PrecomputedImagery(PrecomputedVolume(source.removeprefix("precomputed://")))

    @cached_property
    def segmentation(self) -> Segmentation:
        """The supervoxels, and their roots by asking the chunked graph."""
        return MappedSegmentation(self._volume, self._graph.roots, self._no_list)

    @cached_property
    def meshes(self) -> CaveMeshes:
        """The surfaces that the meshing service knows."""
        return CaveMeshes(self._volume)

    @cached_property
    def skeletons(self) -> CaveSkeletons:
        """The skeleton service's, else those of the level-2 graph."""
        return CaveSkeletons(self._connection, self._graph)

    @property
    def graph(self) -> CaveGraph:
        """The chunked graph."""
        return self._graph

    @cached_property
    def annotations(self) -> CaveAnnotations:
        """The annotation tables of the aligned volume."""
        return CaveAnnotations(self._connection)

    @cached_property
    def facts(self) -> CaveFacts:
        """What the server tells of objects."""
        table = SomaTable(lambda: self._connection.soma_table, lambda: self.annotations)
        return CaveFacts(self._graph, table)

    def may_edit(self) -> Permission:
        """Ask the auth service what the person's account may do."""
        return edit_permission(self._connection)

    def viewer_sources(self) -> ViewerSources:
        """Return the layer addresses, which need the person's token at the server."""
        scheme = "middleauth+" if self._origin.startswith("https://") else ""
        table = f"{self._connection.local_server}/segmentation/table/{self._connection.table}"
        source = self._image_source
        images = source if not source or "://" not in source else _as_precomputed(source)
        return ViewerSources(
            images,
            f"graphene://{scheme}{table}",
            self._graph.base_scale.voxel_nm,
            token_origins=(self._origin,),
            token_for=self._token_for,
        )

    def supervoxel_at(self, point: PointNm) -> int:
        """Return the supervoxel under the point, 0 for background."""
        return supervoxel_at(self.segmentation, point)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def _origin(self) -> str:
        parts = urlsplit(self._connection.local_server)
        return f"{parts.scheme}://{parts.netloc}"

    def _token_for(self, origin: str) -> str:
        """Give the token to the page for this dataset's server, and for no other."""
        if origin != self._origin:
            raise AuthError(
                f"The viewer asked for your token for {origin}, not this dataset's server.",
                "Remove the layer that points there.",
            )
        return self._connection.token

    @property
    def _image_source(self) -> str:
        return str(self._connection.record["aligned_volume"].get("image_source") or "")

    @cached_property
    def _volume(self) -> PrecomputedVolume:
        return PrecomputedVolume(_graphene_url(self._connection), _secrets(self._connection))

    def _no_list(self) -> Ids:
        raise ServiceError(
            f"The server cannot list all segments of {self.name}.", "Name the segments you want."
        )


class CaveMeshes:
    """Surfaces of roots from the meshing service."""

    def __init__(self, volume: PrecomputedVolume) -> None:
        self._volume = volume
        self._lock = threading.Lock()

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        """Return the surface of a root, of the chunks that meet the box if one is given.

        Raises
        ------
        NotFoundError
            If the root has no mesh.
        """
        from cloudvolume import Bbox

        bounds = None if box is None else Bbox(*self._volume.scales[0].clip(box))
        try:
            with self._lock, translated(self._volume.url):
                found = self._volume.meshes.get(int(root), bounding_box=bounds)
        except (IndexError, ValueError, KeyError) as error:
            raise NotFoundError(f"The segment {root} has no mesh.") from error
        return mesh_of(found, root)


def _graphene_url(connection: CaveConnection) -> str:
    return f"graphene://{connection.local_server}/segmentation/table/{connection.table}"


def _secrets(connection: CaveConnection) -> dict[str, str]:
    return {"token": connection.token}


def _as_precomputed(source: str) -> str:
    return source if source.startswith("precomputed://") else f"precomputed://{source}"
