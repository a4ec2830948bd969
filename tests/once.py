"""A pytest plugin that notes which tests passed, so that another run can leave them out.

What passes where PyQt6, torch and octarine are absent need not be repeated where they are there;
``make test`` runs the bare environment first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure"]


class _Notes:
    """Keeps the ids of tests that passed, and writes them when all have run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._passed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("\n".join(self._passed), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("once")
    group.addoption("--note-passed", type=Path, help="Write the ids of tests that passed here.")
    group.addoption("--without-passed", type=Path, help="Leave out the tests that are listed here.")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--note-passed")
    # With pytest-xdist every report reaches the first process; workers have an input.
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes(file))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    file = config.getoption("--without-passed")
    if file is None:
        return
    passed = frozenset(file.read_text(encoding="utf-8").splitlines())
    again = [item for item in items if item.nodeid in passed]
    items[:] = [item for item in items if item.nodeid not in passed]
    config.hook.pytest_deselected(items=again)
