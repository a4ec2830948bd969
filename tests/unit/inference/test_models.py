from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectome.errors import ModelError
from inference.models.manifest import MANIFEST_NAME, ModelManifest, read_manifest
from inference.models.registry import (
    ModelFolder,
    bundled_folder,
    default_model,
    find_model,
    list_models,
)
from inference.tasks import Repair, words
from proofreading.verdicts import Task
from rendering.spec import EMSpec


def _copy(model: ModelFolder, folder: Path, name: str, **changes: Any) -> Path:
    target = folder / name
    shutil.copytree(model.path, target)
    path = target / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")
    return target


def test_a_manifest_survives_being_written(small_model: ModelFolder) -> None:
    assert read_manifest(small_model.path) == small_model.manifest
    assert small_model.manifest.picture_spec.em_spec() == EMSpec(half_extent_nm=160.0, size_px=32)
    assert small_model.manifest.training.trained_on == "contacts in sections 0 to 139"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.pop("calibration"),
        lambda m: m.update(schema_version=3),
        lambda m: m.update(surprise=1),
        lambda m: m["pictures"]["em"].update(size_px=64),
        lambda m: m["calibration"].update(temperature=0),
    ],
)
def test_a_damaged_manifest_is_refused(
    small_model: ModelFolder, tmp_path: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    content = json.loads((small_model.path / MANIFEST_NAME).read_text())
    spoil(content)
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="cannot be used"):
        read_manifest(tmp_path)


def test_models_are_found_by_task_id_beginning_and_path(
    small_model: ModelFolder, tmp_path: Path
) -> None:
    path = _copy(small_model, tmp_path, "split_error_correction", id="resnet-one")
    _copy(small_model, tmp_path, "another", id="resnet-two")
    assert default_model(Task.SPLIT_ERROR_CORRECTION, tmp_path).path == path
    for name in ("split_error_correction", "resnet-one", "resnet-o", str(path)):
        assert find_model(name, tmp_path).manifest.id == "resnet-one"
    assert len(list_models(tmp_path)) == 2


def test_names_that_fit_two_or_none_are_refused(small_model: ModelFolder, tmp_path: Path) -> None:
    _copy(small_model, tmp_path, "one", id="resnet-one")
    _copy(small_model, tmp_path, "two", id="resnet-two")
    with pytest.raises(ModelError, match="fits several") as several:
        find_model("resnet", tmp_path)
    assert "resnet-one, resnet-two" in several.value.hint
    with pytest.raises(ModelError, match="No model is called"):
        find_model("vit", tmp_path)
    with pytest.raises(ModelError, match="No model for"):
        default_model(Task.SPLIT_PROPOSAL, tmp_path)


def test_other_weights_than_the_manifest_says_are_refused(
    small_model: ModelFolder, tmp_path: Path
) -> None:
    path = _copy(small_model, tmp_path, "spoiled")
    with (path / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not those"):
        find_model(str(path))
    (path / "model.onnx").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        find_model(str(path))


def test_every_task_has_words() -> None:
    assert words(Task.SPLIT_ERROR_CORRECTION).repair is Repair.MERGE
    assert words(Task.MERGE_ERROR_IDENTIFICATION).repair is Repair.SPLIT
    for task in Task:
        assert words(task).question.endswith("?")


def test_bundled_models_are_whole_and_small() -> None:
    bundled = list_models()
    assert any(m.task is Task.SPLIT_ERROR_CORRECTION for _, m in bundled)
    for path, manifest in bundled:
        assert isinstance(manifest, ModelManifest)
        assert find_model(str(path)).weights.stat().st_size < 15_000_000
        if manifest.input.kind == "pictures":
            assert manifest.picture_spec.em_spec() == EMSpec()
    assert sum(path.stat().st_size for path in bundled_folder().rglob("*")) < 60_000_000


def test_every_bundled_model_becomes_a_judge() -> None:
    pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
    from inference.judges.registry import default_judges, site_judge

    for path, manifest in list_models():
        judge = site_judge(find_model(str(path)))
        assert judge.manifest.id == manifest.id
    tasks = [judge.manifest.task for judge in default_judges()]
    assert tasks[0] is Task.SPLIT_ERROR_CORRECTION
    assert {Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION} <= set(tasks)
