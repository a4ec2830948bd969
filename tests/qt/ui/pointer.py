"""Mouse and keys for tests, typed in one place.

The stubs of PyQt6 take QTest's static functions for methods.
"""

from __future__ import annotations

from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QWindow
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier


def send(target: QWidget | QWindow, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    QTest.keyClick(target, key, modifiers)  # type: ignore[call-overload]


def click(widget: QWidget | None, at: QPoint | None = None) -> None:
    assert widget is not None
    QTest.mouseClick(widget, LEFT, NONE, at or widget.rect().center())  # type: ignore[call-overload]


def hover(widget: QWidget | None, at: QPoint) -> None:
    assert widget is not None
    QTest.mouseMove(widget, at)  # type: ignore[call-overload]


def drag(widget: QWidget | None, *points: QPoint) -> None:
    """Press at the first point, move through the others, release at the last."""
    assert widget is not None
    QTest.mousePress(widget, LEFT, NONE, points[0])  # type: ignore[call-overload]
    for point in points[1:]:
        QTest.mouseMove(widget, point)  # type: ignore[call-overload]
    QTest.mouseRelease(widget, LEFT, NONE, points[-1])  # type: ignore[call-overload]
