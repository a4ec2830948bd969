"""The house keeps its numbers: small modules, short functions."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

HOME = Path(__file__).parents[2]
ROOMS = ("app", "connectome", "proofreading", "rendering", "inference", "ngplugin")


def _modules() -> list[Path]:
    return [p for room in ROOMS for p in (HOME / room).rglob("*.py") if p.read_text().strip()]


def _function_lengths() -> list[int]:
    lengths = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)  # type: ignore[operator]
    return lengths


def test_modules_are_small() -> None:
    sizes = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in _modules()}
    assert statistics.median(sizes.values()) <= 150
    assert max(sizes.values()) <= 700, max(sizes, key=lambda p: sizes[p])


def test_functions_are_short() -> None:
    lengths = sorted(_function_lengths())
    assert statistics.median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.95)] < 40


def test_packages_stay_empty() -> None:
    for room in (*ROOMS, "assets"):
        assert not (HOME / room / "__init__.py").read_text().strip()
