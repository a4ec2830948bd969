"""The folder of one training run and of no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectome.errors import StorageError

__all__ = ["claim"]


def claim(out: Path, config: Mapping[str, Any]) -> None:
    """Make ``out`` the folder of the run with this configuration.

    Raises
    ------
    StorageError
        If it holds a run with another one, or cannot be written.
    """
    text = json.dumps(config, indent=1, sort_keys=True, default=str) + "\n"
    path = out / "config.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise StorageError(
                f"The folder {out} holds a training run with other settings or data.",
                "Name another folder, or remove that one.",
            )
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The folder {out} cannot be written.", "Name a folder that can be written."
        ) from error
