"""Colours, type and spacing: dark by default, light as an option.

A and B have the same two colours everywhere, probability has one scale that
colour-blind people can read, and only errors are red.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from PyQt6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PyQt6.QtWidgets import QApplication

from app.ui.style import STYLE
from ngplugin.style import COLOR_UNJUDGED, probability_color
from rendering.spec import COLOR_A, COLOR_B

__all__ = [
    "COLOR_A",
    "COLOR_B",
    "DARK",
    "GRID",
    "LIGHT",
    "Theme",
    "apply_theme",
    "question_font",
    "scale_color",
    "theme",
    "ui_font",
]

GRID = 8
"""All distances are multiples of this many pixels, or half of it."""
_POINT_PX = 13
_QUESTION_PX = 22


@dataclass(frozen=True)
class Theme:
    """The colours of one appearance, as ``#rrggbb``."""

    name: str
    ground: str
    panel: str
    raised: str
    line: str
    text: str
    dim: str
    faint: str
    bar: str
    selected: str
    error: str


DARK = Theme(
    name="dark",
    ground="#121417",
    panel="#1a1d21",
    raised="#262a30",
    line="#30353c",
    text="#e8eaed",
    dim="#a5acb6",
    faint="#727a85",
    bar="#c9d1db",
    selected="#2d333b",
    error="#ff6369",
)
LIGHT = Theme(
    name="light",
    ground="#eceef0",
    panel="#f8f9fa",
    raised="#ffffff",
    line="#d3d7dc",
    text="#1b1e22",
    dim="#535b65",
    faint="#838b95",
    bar="#48515c",
    selected="#dfe4ea",
    error="#c4262e",
)
_current = [DARK]


def theme() -> Theme:
    """Return the appearance in use."""
    return _current[0]


def apply_theme(app: QApplication, chosen: Theme = DARK) -> None:
    """Give the whole application one appearance."""
    _current[0] = chosen
    app.setStyle("Fusion")
    app.setFont(ui_font())
    app.setPalette(_palette(chosen))
    app.setStyleSheet(STYLE.substitute(vars(chosen), a=COLOR_A, b=COLOR_B))


@cache
def _family() -> str:
    """Return the font's name; asked once, because the list of all fonts may be long."""
    return "Inter" if "Inter" in QFontDatabase.families() else QApplication.font().family()


def ui_font(*, bold: bool = False) -> QFont:
    """Return the one font, with figures of equal width."""
    font = QFont(_family())
    font.setPixelSize(_POINT_PX)
    font.setFeature(QFont.Tag("tnum"), 1)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font


def question_font() -> QFont:
    """Return the font of the question, the only other size."""
    font = ui_font(bold=True)
    font.setPixelSize(_QUESTION_PX)
    return font


def scale_color(probability: float | None) -> QColor:
    """Return the colour of a probability, as Neuroglancer paints it; grey when there is none."""
    return QColor(COLOR_UNJUDGED if probability is None else probability_color(probability))


def _palette(t: Theme) -> QPalette:
    role = QPalette.ColorRole
    colors = {
        role.Window: t.panel,
        role.WindowText: t.text,
        role.Base: t.panel,
        role.AlternateBase: t.raised,
        role.Text: t.text,
        role.PlaceholderText: t.faint,
        role.Button: t.raised,
        role.ButtonText: t.text,
        role.ToolTipBase: t.raised,
        role.ToolTipText: t.text,
        role.Highlight: t.selected,
        role.HighlightedText: t.text,
        role.Link: t.text,
    }
    palette = QPalette()
    for which, color in colors.items():
        palette.setColor(which, QColor(color))
    return palette
