"""A pytest plugin that makes PyQt6, torch and octarine look uninstalled.

Everything outside ``app.ui`` must work without them; ``make test-core`` proves it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ABSENT = frozenset({"PyQt6", "torch", "transformers", "peft", "octarine", "pygfx", "wgpu"})


class _Absent(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in ABSENT:
            msg = f"No module named {name!r}"
            raise ModuleNotFoundError(msg, name=name)
        return None


sys.meta_path.insert(0, _Absent())
