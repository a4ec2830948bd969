"""Every network of the zoo: its shapes, its learning, its file, its pretrained beginnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.errors import InputError, ModelError
from proofreading.verdicts import Task

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="training needs the extra `train`")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")

import torch
from torch import Tensor

from inference.training.export import write_onnx
from inference.training.zoo.heads import OneTask, SiteNetwork, masked_loss
from inference.training.zoo.registry import build
from inference.training.zoo.resnet import grid
from inference.training.zoo.settings import (
    Architecture,
    NetworkSettings,
    PictureShapes,
)
from tests.unit.inference.tables import SHAPES, TASKS, small_network

VARIANTS = [
    small_network(Architecture.RESNET_18, layout="grid"),
    small_network(Architecture.RESNET_50),
    small_network(Architecture.VIT, fusion="attention", em_channels=9),
    small_network(Architecture.SIGLIP_PROBE),
]


def _name(settings: NetworkSettings) -> str:
    return f"{settings.architecture.value}-{settings.layout}-{settings.fusion}"


def _inputs(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, 9, 16, 16, generator=rng), torch.rand(n, 3, 7, 16, 16, generator=rng)


@pytest.mark.parametrize("settings", VARIANTS, ids=_name)
def test_the_file_answers_like_the_network_for_any_number_of_pictures(
    settings: NetworkSettings, tmp_path: Path
) -> None:
    from inference.judges.onnx import run_once

    torch.manual_seed(0)
    network = build(settings, SHAPES, TASKS).eval()
    one = OneTask(network, TASKS[1], em=True, geometry=True).eval()
    pictures, geometry = (value.numpy() for value in _inputs(5))
    path = tmp_path / "model.onnx"
    write_onnx(one, {"pictures": pictures, "geometry": geometry}, path)
    for n in (1, 4):
        logits, features = run_once(path, {"pictures": pictures[:n], "geometry": geometry[:n]})
        with torch.no_grad():
            expected, _ = network(torch.from_numpy(pictures[:n]), torch.from_numpy(geometry[:n]))
        assert features.shape == (n, settings.features)
        np.testing.assert_allclose(logits, expected[:, 1].numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", ["em", "geometry"])
@pytest.mark.parametrize("architecture", list(Architecture))
def test_one_kind_of_picture_is_enough(architecture: Architecture, kind: str) -> None:
    planes, views = (3, 0) if kind == "em" else (0, 3)
    shapes = PictureShapes(planes=planes, em_px=16, views=views, geometry_px=16)
    network = build(small_network(architecture), shapes, TASKS).eval()
    pictures, geometry = _inputs(2)
    shown = (pictures, None) if kind == "em" else (None, geometry)
    logits, _ = network(*shown)
    assert logits.shape == (2, 2)
    with pytest.raises(InputError, match="look at something"):
        PictureShapes(planes=0)


def test_views_stand_in_a_grid() -> None:
    views = torch.arange(3.0).reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 4, 4)
    picture = grid(views)
    assert picture.shape == (1, 2, 8, 8)
    corners = picture[0, 0, ::4, ::4].tolist()
    assert corners == [[0.0, 1.0], [2.0, 0.0]]


def test_a_view_matters_through_the_others() -> None:
    """The views meet inside the trunk: no sum of one answer per view could do this."""
    torch.manual_seed(0)
    network = build(small_network(Architecture.VIT), SHAPES, TASKS[:1]).eval()
    pictures, geometry = _inputs(1)
    changed = geometry.clone()
    changed[:, 0] = 0
    dark = pictures.clone()
    dark[:, :3] = 0
    with torch.no_grad():
        both, no_view, no_plane, neither = (
            network(p, g)[1]
            for p, g in (
                (pictures, geometry),
                (pictures, changed),
                (dark, geometry),
                (dark, changed),
            )
        )
    mixed = both - no_view - no_plane + neither
    assert float(mixed.abs().max()) > 1e-5


def test_what_is_not_known_changes_nothing() -> None:
    logits = torch.tensor([[2.0, 5.0], [-1.0, 3.0]], requires_grad=True)
    loss = masked_loss(logits, torch.tensor([[1.0, -1.0], [0.0, -1.0]]), 0.1)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[:, 1].tolist() == [0.0, 0.0]
    assert (gradient[:, 0] != 0).all()
    smoothed = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[:, 0], torch.tensor([0.95, 0.05])
    )
    assert float(loss.detach()) == pytest.approx(float(smoothed.detach()))


def _overfitted(settings: NetworkSettings, pictures: Tensor, truth: Tensor) -> SiteNetwork:
    torch.manual_seed(1)
    shapes = PictureShapes(planes=3, em_px=pictures.shape[-1])
    network = build(settings, shapes, TASKS[:1])
    fast = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(fast, lr=3e-3, weight_decay=0.0)
    for _ in range(120):
        logits, _ = network(pictures, None)
        loss = masked_loss(logits, truth, 0.0)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if float(loss.detach()) < 0.3 and _share_right(network, pictures, truth) == 1.0:
            break
    return network.eval()


def _share_right(network: SiteNetwork, pictures: Tensor, truth: Tensor) -> float:
    """Return how many answers are right in use, and leave the network in training."""
    network.eval()
    with torch.no_grad():
        right = (network(pictures, None)[0] > 0).float() == truth
    network.train()
    return float(right.float().mean())


@pytest.mark.parametrize("architecture", list(Architecture))
def test_real_pictures_are_learnt_by_heart_and_blank_ones_are_chance(
    architecture: Architecture, real_pictures: tuple[Tensor, Tensor]
) -> None:
    pictures, truth = real_pictures
    settings = small_network(architecture, dropout=0.0, drop_path=0.0, features=8, width=32)
    network = _overfitted(settings, pictures, truth)
    with torch.no_grad():
        blank = (network(torch.zeros_like(pictures), None)[0] > 0).float()
    assert _share_right(network, pictures, truth) >= 0.95
    recalls = [float((blank[truth == answer] == answer).float().mean()) for answer in (0, 1)]
    assert sum(recalls) / 2 == pytest.approx(0.5)


def _checkpoint(architecture: Architecture) -> Any:
    """Return a network as a library that trains such networks would save it."""
    from transformers import (
        ResNetConfig,
        ResNetModel,
        SiglipVisionConfig,
        SiglipVisionModel,
        ViTConfig,
        ViTModel,
    )

    if architecture is Architecture.RESNET_18:
        return ResNetModel(
            ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic")
        )
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "patch_size": 8,
    }
    if architecture is Architecture.VIT:
        return ViTModel(ViTConfig(image_size=32, **sizes))
    return SiglipVisionModel(SiglipVisionConfig(image_size=16, **sizes))


@pytest.mark.parametrize(
    "architecture", [Architecture.RESNET_18, Architecture.VIT, Architecture.SIGLIP_PROBE]
)
def test_weights_begin_as_a_checkpoint_says(architecture: Architecture, tmp_path: Path) -> None:
    given = _checkpoint(architecture)
    given.save_pretrained(tmp_path)
    settings = small_network(architecture, pretrained=str(tmp_path), hidden=(8, 8))
    network = build(settings, SHAPES, TASKS)
    wanted = [v for k, v in given.state_dict().items() if "encoder" in k or "layers" in k]
    found = list(network.trunk.state_dict().values())
    for value in wanted:
        assert any(value.shape == f.shape and torch.equal(value, f) for f in found)
    assert wanted
    assert network(*_inputs(2))[0].shape == (2, 2)
    assert bool(network.trunk.backbone) is (architecture is not Architecture.SIGLIP_PROBE)
    with pytest.raises(ModelError, match="cannot be used"):
        build(small_network(architecture, pretrained=str(tmp_path / "none")), SHAPES, TASKS)


def test_patches_must_fit() -> None:
    settings = small_network(Architecture.VIT, patch=5)
    with pytest.raises(InputError, match="cannot be cut into patches of 5 px"):
        build(settings, SHAPES, (Task.PARTNER_CHOICE,))
