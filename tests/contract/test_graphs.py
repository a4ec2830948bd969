"""The graph in memory and the real one behave alike."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from connectome.graph import Graph, GraphPoint
from connectome.offline.datastack import OfflineDatastack
from tests.contract.graph_contract import GraphContract, Line
from tests.contract.volumes import ingest_tubes, tube_point
from tests.fakes import MemoryGraph

PLACES = (12, 36, 60, 84, 108, 132)
"""An x in each of a tube's supervoxels; the segmentation cuts it between the third and fourth."""


class TestMemoryGraph(GraphContract):
    @pytest.fixture
    def graph(self) -> Graph:
        graph = MemoryGraph(range(1, 7))
        for a in (1, 2, 4, 5):
            graph.join(a, a + 1, user="other")
        return graph

    @pytest.fixture
    def line(self) -> Line:
        a, b, c, d, e, f = (GraphPoint(s, (s * 100.0, 0.0, 0.0)) for s in range(1, 7))
        return Line((a, b, c), (d, e, f))


@pytest.fixture(scope="module")
def datastack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineDatastack]:
    folder = tmp_path_factory.mktemp("ingested")
    with pytest.MonkeyPatch.context() as patch:
        # Keep the clients away from a person's token files.
        patch.setenv("HOME", str(folder))
        opened = OfflineDatastack(ingest_tubes(folder / "tubes"))
        yield opened
        opened.close()


class TestOfflineGraph(GraphContract):
    tubes = count()

    @pytest.fixture
    def graph(self, datastack: OfflineDatastack) -> Graph:
        return datastack.graph

    @pytest.fixture
    def line(self, datastack: OfflineDatastack) -> Line:
        tube = next(self.tubes)
        points = [tube_point(tube, x) for x in PLACES]
        a, b, c, d, e, f = (GraphPoint(datastack.supervoxel_at(p), p) for p in points)
        return Line((a, b, c), (d, e, f))
