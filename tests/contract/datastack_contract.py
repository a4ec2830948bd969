"""What every datastack must do, whatever lies behind it. Subclass and give `datastack`."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.datastack import Datastack
from connectome.errors import NotFoundError, OutsideVolumeError
from connectome.opening import open_datastack
from connectome.space import BoxNm
from tests.contract.volumes import CUT, SHAPE_ZYX, VOXEL_NM, center_nm, make_tubes, tube_point

NZ, NY, NX = SHAPE_ZYX
WHOLE = BoxNm((0.0, 0.0, 0.0), (NX * VOXEL_NM[0], NY * VOXEL_NM[1], NZ * VOXEL_NM[2]))
OUTSIDE = BoxNm((-50.0, -50.0, -50.0), (-10.0, -10.0, -10.0))


class DatastackContract:
    """The suite; the datastack holds the volume of `tests.contract.volumes`."""

    @pytest.fixture
    def datastack(self) -> Datastack:
        raise pytest.UsageError("a subclass gives the datastack")

    def test_it_is_a_datastack(self, datastack: Datastack) -> None:
        assert isinstance(datastack, Datastack)
        assert datastack.name

    def test_its_address_opens_it_again(self, datastack: Datastack) -> None:
        again = open_datastack(datastack.address)
        try:
            assert again.name == datastack.name
            assert again.segmentation.scales == datastack.segmentation.scales
        finally:
            again.close()

    def test_scales_are_finest_first(self, datastack: Datastack) -> None:
        scales = datastack.segmentation.scales
        assert scales[0].voxel_nm == VOXEL_NM
        assert scales[0].shape == (NX, NY, NZ)
        sizes = [np.prod(scale.voxel_nm) for scale in scales]
        assert sizes == sorted(sizes)

    def test_imagery_is_read_in_zyx(self, datastack: Datastack) -> None:
        assert datastack.imagery is not None
        box = BoxNm(center_nm((20, 10, 5)), center_nm((60, 30, 12)))
        cutout = datastack.imagery.read(box)
        (x0, y0, z0), (nz, ny, nx) = cutout.first_voxel, cutout.data.shape
        assert cutout.data.dtype == np.uint8
        assert cutout.data.flags.c_contiguous
        given = make_tubes().em[z0 : z0 + nz, y0 : y0 + ny, x0 : x0 + nx]
        assert np.array_equal(cutout.data, given)
        assert cutout.bounds_nm.contains(center_nm((20, 10, 5)))

    def test_roots_partition_as_the_segmentation(self, datastack: Datastack) -> None:
        roots = datastack.segmentation.read_roots(WHOLE).data
        given = make_tubes().segmentation
        assert roots.shape == given.shape
        assert roots.dtype == np.uint64
        pairs = np.unique(np.stack([roots.ravel(), given.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(given)) == len(np.unique(roots))
        assert (roots[given == 0] == 0).all()

    def test_listed_roots_are_those_in_the_volume(self, datastack: Datastack) -> None:
        roots = datastack.segmentation.read_roots(WHOLE).data
        assert (
            sorted(datastack.segmentation.roots().tolist()) == np.unique(roots[roots != 0]).tolist()
        )

    def test_supervoxels_lie_within_roots(self, datastack: Datastack) -> None:
        supervoxels = datastack.segmentation.read_supervoxels(WHOLE).data
        roots = datastack.segmentation.read_roots(WHOLE).data
        assert supervoxels.dtype == np.uint64
        pairs = np.unique(np.stack([supervoxels.ravel(), roots.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(supervoxels))

    def test_boxes_are_cut_at_the_faces(self, datastack: Datastack) -> None:
        corner = BoxNm.around((0.0, 0.0, 0.0), 40.0)
        cutout = datastack.segmentation.read_roots(corner)
        assert cutout.first_voxel == (0, 0, 0)
        assert cutout.data.shape == (3, 5, 5)
        with pytest.raises(OutsideVolumeError):
            datastack.segmentation.read_roots(OUTSIDE)
        with pytest.raises(OutsideVolumeError):
            datastack.segmentation.read_supervoxels(OUTSIDE)

    def test_coarser_scales_show_the_same_place(self, datastack: Datastack) -> None:
        for level, scale in enumerate(datastack.segmentation.scales):
            cutout = datastack.segmentation.read_supervoxels(WHOLE, level)
            assert cutout.scale == scale
            x, y, z = scale.voxel_at(tube_point(0, 40))
            fine = datastack.supervoxel_at(tube_point(0, 40))
            assert cutout.data[z, y, x] == fine

    def test_the_supervoxel_under_a_point(self, datastack: Datastack) -> None:
        left, right = tube_point(0, CUT - 10), tube_point(0, CUT + 10)
        assert datastack.supervoxel_at(left) != datastack.supervoxel_at(right)
        assert datastack.supervoxel_at(center_nm((5, 0, 0))) == 0
        with pytest.raises(OutsideVolumeError):
            datastack.supervoxel_at((-1.0, 0.0, 0.0))

    def test_skeletons_run_along_their_segment(self, datastack: Datastack) -> None:
        x, y, z = (int(p // v) for p, v in zip(tube_point(0, 20), VOXEL_NM, strict=True))
        root = int(datastack.segmentation.read_roots(WHOLE).data[z, y, x])
        (skeleton,) = datastack.skeletons.skeletons([root])
        assert skeleton.root == root
        assert np.ptp(skeleton.vertices_nm[:, 0]) > 0.6 * CUT * VOXEL_NM[0]
        assert (np.abs(skeleton.vertices_nm[:, 1] - tube_point(0, 20)[1]) < 60).all()

    def test_an_unknown_root_has_no_mesh(self, datastack: Datastack) -> None:
        with pytest.raises(NotFoundError):
            datastack.meshes.mesh(987654321)

    def test_viewer_sources_are_complete(self, datastack: Datastack) -> None:
        sources = datastack.viewer_sources()
        assert sources.voxel_nm == VOXEL_NM
        assert sources.imagery.startswith("precomputed://http://127.0.0.1:")
        assert "://http://127.0.0.1:" in sources.segmentation
        assert datastack.viewer_sources() == sources

    def test_closing_twice_is_harmless(self, datastack: Datastack) -> None:
        datastack.close()
        datastack.close()
