"""Cube splits in files: which edit belongs to which part.

``train.json``, ``val.json`` and ``test.json`` name edits by operation, pairs at synapses by
their segments and place, and branch points by a made-up negative number;
``manifest.json`` says how they were made.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from inference.datasets.formats.base import species_of
from inference.datasets.formats.cubes import CubeSplit
from inference.datasets.formats.values import id_of, json_id, point_of
from inference.datasets.samples import Part, Sample
from proofreading.files import storage_errors, write_atomically

__all__ = ["CubeFiles", "read_cube_splits", "write_cube_splits"]

_FILES = {Part.TRAIN: "train", Part.VALIDATION: "val", Part.TEST: "test"}
_EDITS = "operation_bank"
_SYNAPSES = "operation_bank_synapse_controls"
_JUNCTIONS = "operation_bank_junction_controls"
_OURS = "proofdesk_samples"
"""Questions that were made from no edit, by their ids."""
_Synapse = tuple[int, int, tuple[int, int, int]]


@dataclass(frozen=True)
class CubeFiles:
    """What the files of a split say.

    Parameters
    ----------
    edits, junctions : mapping of int to Part
        By operation id and by made-up number.
    synapses : mapping
        By both segments and the place in whole nm.
    samples : mapping of str to Part
        By sample id, for questions made from no edit.
    manifest : mapping
        How it was made.
    """

    edits: Mapping[int, Part]
    synapses: Mapping[_Synapse, Part]
    junctions: Mapping[int, Part]
    samples: Mapping[str, Part]
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def part_of(self, sample: Sample) -> Part | None:
        """Return the part of a question, or None where the files do not name it."""
        if sample.id in self.samples:
            return self.samples[sample.id]
        if sample.operation_id is not None:
            named = self.edits if sample.operation_id >= 0 else self.junctions
            if sample.operation_id in named:
                return named[sample.operation_id]
        if len(sample.segments) == 2:
            return self.synapses.get(_synapse(*sample.segments, sample.point_nm))
        return None


def read_cube_splits(folder: Path) -> CubeFiles:
    """Read the files of a split; those of a part that is not there count as empty.

    Raises
    ------
    InputError
        If none is there, one is damaged, or an edit stands in two parts.
    """
    found = {part: folder / f"{name}.json" for part, name in _FILES.items()}
    present = {part: _loaded(path) for part, path in found.items() if path.exists()}
    if not present:
        raise InputError(
            f"The folder {folder} holds no train.json, val.json or test.json.",
            "Choose the folder of a cube split.",
        )
    manifest = folder / "manifest.json"
    try:
        return CubeFiles(
            edits=_gathered(present, _EDITS, id_of),
            synapses=_gathered(present, _SYNAPSES, _synapse_key),
            junctions=_gathered(present, _JUNCTIONS, id_of),
            samples=_gathered(present, _OURS, str),
            manifest=_loaded(manifest) if manifest.exists() else {},
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"The cube split in {folder} holds something that names no question.",
            "Get the files again.",
        ) from error


def write_cube_splits(folder: Path, samples: Iterable[Sample], split: CubeSplit) -> CubeFiles:
    """Write the files of a split and return what they say.

    Questions in the buffer stand in no file. Several questions of one edit share its line.

    Raises
    ------
    InputError
        If the questions are of several datasets.
    StorageError
        If the folder cannot be written.
    """
    named: dict[Part, dict[str, list[Any]]] = {
        part: {bank: [] for bank in (_EDITS, _SYNAPSES, _JUNCTIONS, _OURS)} for part in _FILES
    }
    datasets, seen, repeated = set(), set(), Counter[str]()
    for sample in samples:
        datasets.add(sample.dataset)
        part = split.parts.get(sample.id)
        if part not in named:
            continue
        bank, key = _key(sample)
        if (bank, key) in seen:
            repeated[bank] += 1
        else:
            seen.add((bank, key))
            named[part][bank].append(key)
    if len(datasets) > 1:
        raise InputError(
            f"The questions are of {len(datasets)} datasets: coordinates do not compare.",
            "Split each dataset by itself.",
        )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for part, name in _FILES.items():
        _write(folder / f"{name}.json", named[part])
    species = species_of(datasets.pop()) if datasets else ""
    _write(folder / "manifest.json", _manifest(species, split, named, repeated))
    return read_cube_splits(folder)


def _key(sample: Sample) -> tuple[str, int | str]:
    if sample.operation_id is None:
        return _OURS, sample.id
    return (_EDITS if sample.operation_id >= 0 else _JUNCTIONS), json_id(sample.operation_id)


def _synapse_key(value: Any) -> _Synapse:
    pre, post, point = value
    return _synapse(id_of(pre), id_of(post), point_of(point))


def _synapse(pre: int, post: int, point: tuple[float, float, float]) -> _Synapse:
    x, y, z = (round(value) for value in point)
    return (pre, post, (x, y, z))


def _gathered(files: Mapping[Part, Any], bank: str, read: Any) -> dict[Any, Part]:
    found: dict[Any, Part] = {}
    for part, content in files.items():
        for value in content.get(bank, ()):
            key = read(value)
            if found.setdefault(key, part) is not part:
                raise InputError(
                    f"The cube split names {key} in two parts.", "Make the split again."
                )
    return found


def _manifest(
    species: str,
    split: CubeSplit,
    named: Mapping[Part, Mapping[str, list[Any]]],
    repeated: Counter[str],
) -> dict[str, Any]:
    spans = [high - low for low, high in zip(split.lower_nm, split.upper_nm, strict=True)]
    nx, ny, nz = (max(1, math.ceil(span / split.edge_nm)) for span in spans)
    cubes = Counter(split.cubes.values())
    banks = (_EDITS, _SYNAPSES, _JUNCTIONS, _OURS)
    return {
        "species": species,
        "edge_nm": split.edge_nm,
        "ratios": dict(zip(_FILES.values(), split.ratios, strict=True)),
        "seed": split.seed,
        "buffer_nm": split.buffer_nm,
        "bbox_nm": {"min": list(split.lower_nm), "max": list(split.upper_nm)},
        "grid": {"nx": nx, "ny": ny, "nz": nz, "bbox_cubes": nx * ny * nz},
        "cube_counts": {
            "occupied": len(split.cubes),
            **{name: cubes[part] for part, name in _FILES.items()},
        },
        "op_counts": {
            bank: {name: len(named[part][bank]) for part, name in _FILES.items()} for bank in banks
        },
        "outliers_dropped": {"all": split.outliers},
        "duplicate_keys_dropped": {bank: repeated[bank] for bank in banks},
        "samples_in_buffer": split.counts[Part.BUFFER],
    }


def _loaded(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(
            f"The file {path} is damaged: it is no JSON.", "Get the file again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"The file {path} is no part of a cube split.", "Get the file again.")
    return content


def _write(path: Path, content: object) -> None:
    write_atomically(path, json.dumps(content, indent=2) + "\n")
