"""The folder of a language model: a manifest, an adapter if there is one, and how it is loaded."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from connectome.errors import ModelError
from inference.judges.vlm.protocol import Load
from inference.models.hub_store import pulled_folder
from inference.models.manifest import (
    Calibration,
    LanguageContract,
    ModelManifest,
    PictureSpec,
    TrainingRecord,
    write_manifest,
)
from inference.models.registry import ModelFolder, find_model
from inference.prompts.writing import Prompt, Slots, write_prompt
from inference.tasks import words
from proofreading.verdicts import Task
from rendering.spec import EMSpec, RenderSpec

__all__ = [
    "LanguageSpec",
    "fingerprint",
    "language_contract",
    "load_of",
    "plain_prompt",
    "spec_of",
    "uncalibrated",
    "write_language_model",
]

ADAPTER = "adapter"
WEIGHTS = f"{ADAPTER}/adapter_model.safetensors"
ASKED = "asked.json"
"""What stands for the weights of a base model without an adapter: how it is asked."""
UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True)
class LanguageSpec:
    """How a language model is loaded and asked; see `LanguageContract`."""

    task: Task
    base: str
    render: RenderSpec
    em: EMSpec | None = None
    analysis: bool = False
    confidence: bool = False
    most_tokens: int = 400
    four_bit: bool = False
    device: str = "auto"

    def prompt(self, slots: Slots | None = None) -> Prompt:
        """Return its prompt, with a person's words if there are any."""
        return plain_prompt(self, slots)


def plain_prompt(spec: LanguageSpec, slots: Slots | None = None) -> Prompt:
    """Return the prompt of a model; what it writes is decided by the model, not by slots."""
    wishes = replace(slots or Slots(), analysis=spec.analysis, confidence=spec.confidence)
    return write_prompt(spec.task, spec.render, spec.em, wishes)


def write_language_model(
    folder: Path,
    model_id: str,
    spec: LanguageSpec,
    calibration: Calibration,
    training: TrainingRecord,
    *,
    adapter: Path | None = None,
    licence: str = "as the base model",
    parameters: int = 0,
    metrics: dict[str, float] | None = None,
) -> ModelFolder:
    """Write a model folder that `inference.judges.registry.site_judge` can use.

    Parameters
    ----------
    adapter : Path or None
        A folder that peft wrote; copied into the model folder. None asks the base alone.

    Raises
    ------
    ModelError
        If the adapter has no weights.
    """
    from inference.judges.verdicts import code_version

    folder.mkdir(parents=True, exist_ok=True)
    file = ASKED if adapter is None else _copied(adapter, folder)
    if adapter is None:
        asked = {"base": spec.base, "prompt": spec.prompt().sha256}
        (folder / ASKED).write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    task = words(spec.task)
    manifest = ModelManifest(
        id=model_id,
        task=spec.task,
        file=file,
        sha256=hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        onnx_opset=0,
        parameters=parameters,
        input=language_contract(spec, folder, ADAPTER if adapter else None),
        pictures=None if spec.em is None else PictureSpec.of(spec.em),
        labels=(task.no, task.yes),
        calibration=calibration,
        training=training,
        metrics=metrics or {},
        licence=licence,
        code_version=code_version(),
    )
    write_manifest(folder, manifest)
    return find_model(str(folder))


def language_contract(
    spec: LanguageSpec, folder: Path, adapter: str | None = None
) -> LanguageContract:
    """Return the contract of a model in a folder."""
    return LanguageContract(
        base=spec.base,
        base_sha256=fingerprint(_base(spec.base, folder)),
        adapter=adapter,
        prompt_sha256=spec.prompt().sha256,
        render=asdict(spec.render),
        render_hash=spec.render.hash,
        analysis=spec.analysis,
        confidence=spec.confidence,
        most_tokens=spec.most_tokens,
        four_bit=spec.four_bit,
        device=spec.device,
    )


def spec_of(manifest: ModelManifest) -> LanguageSpec:
    """Return how the model of a manifest is asked.

    Raises
    ------
    ModelError
        If it is no language model, or if its prompt has other words by now.
    """
    contract = manifest.input
    if not isinstance(contract, LanguageContract):
        raise ModelError(
            f"The model {manifest.id} is no language model.", "Load it with the judge of its kind."
        )
    spec = LanguageSpec(
        task=manifest.task,
        base=contract.base,
        render=contract.render_spec(),
        em=None if manifest.pictures is None else manifest.pictures.em_spec(),
        analysis=contract.analysis,
        confidence=contract.confidence,
        most_tokens=contract.most_tokens,
        four_bit=contract.four_bit,
        device=contract.device,
    )
    if spec.prompt().sha256 != contract.prompt_sha256:
        raise ModelError(
            f"The model {manifest.id} was made for another prompt than this version writes.",
            "Train it again with this version, or use the version it came with.",
        )
    return spec


def load_of(folder: ModelFolder) -> Load:
    """Return the message that loads a model folder.

    Raises
    ------
    ModelError
        If it is no language model, or its base is not the one it was made for.
    """
    contract = folder.manifest.input
    assert isinstance(contract, LanguageContract)
    base = _base(contract.base, folder.path)
    if contract.base_sha256 is not None and fingerprint(base) != contract.base_sha256:
        raise ModelError(
            f"The model {folder.manifest.id} needs its base model in {base}, which is not there "
            "or is another one.",
            "Put the base model there, or train the adapter again.",
        )
    adapter = None if contract.adapter is None else str(folder.path / contract.adapter)
    return Load(model=base, adapter=adapter, device=contract.device, four_bit=contract.four_bit)


def fingerprint(base: str) -> str | None:
    """Return a hash over a base model's config and the names and sizes of its weights.

    None where it is no folder but a hub's id. The weights themselves, which may be many
    gigabytes, are not read: this tells models apart, it does not detect damage.
    """
    folder = Path(base)
    config = folder / "config.json"
    if not config.is_file():
        return None
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}
    digest = hashlib.sha256(config.read_bytes())
    digest.update(json.dumps(sizes, sort_keys=True).encode())
    return digest.hexdigest()


def uncalibrated() -> Calibration:
    """Return the calibration of a model of which no labelled answers are known.

    Its likelihoods are taken as they are. A router does not let such a model's answer
    change a probability (`inference.judges.combining`).
    """
    return Calibration(
        id=UNCALIBRATED,
        method="none",
        temperature=1.0,
        samples=1,
        held_out="nothing",
        yes_share=0.5,
        candidate_yes_share=0.5,
    )


def _base(base: str, folder: Path) -> str:
    if base.startswith(("./", "../")):
        return str((folder / base).resolve())
    return str(pulled_folder(base) or base)


def _copied(adapter: Path, folder: Path) -> str:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"The folder {adapter} holds no adapter.", "Name a folder that `train vlm` made."
        )
    target = folder / ADAPTER
    if adapter.resolve() != target.resolve():
        shutil.copytree(adapter, target, dirs_exist_ok=True)
    return WEIGHTS
