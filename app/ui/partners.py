"""The partners that could continue a segment, each under its number key."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.services.model import PartnerChoice
from app.ui.help_overlay import keycap
from app.ui.theme import GRID, theme
from app.ui.widgets import label, short_id, shown

__all__ = ["PartnerList", "PartnerRow", "nearness"]

MOST = 4
_NM2_PER_UM2 = 1e6


def nearness(partner: PartnerChoice) -> str:
    """Return how close a partner is: the touching area, or the gap."""
    if partner.contact_area_nm2 > 0:
        return f"touches {partner.contact_area_nm2 / _NM2_PER_UM2:.3f} µm²"
    return f"{partner.distance_nm:,.0f} nm away"


class PartnerRow(QPushButton):
    """One partner: key, id, nearness, probability."""

    def __init__(self, index: int, choose: Callable[[int], None]) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumHeight(30)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.is_chosen = False
        self.clicked.connect(lambda _checked: choose(index))
        self._id, self._near, self._number = label(), label("", "dim"), label()
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID // 2, 0, GRID, 0)
        row.setSpacing(GRID)
        row.addWidget(keycap(str(index + 1)))
        row.addWidget(self._id)
        row.addStretch(1)
        row.addWidget(self._near)
        row.addWidget(self._number)
        self._number.setMinimumWidth(4 * GRID)
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for part in self.findChildren(QLabel):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def show_partner(self, partner: PartnerChoice, *, chosen: bool, color: str) -> None:
        """Show a partner; the chosen one carries B's colour."""
        self.is_chosen = chosen
        self._id.setText(short_id(partner.root))
        self._near.setText(nearness(partner))
        value = partner.probability
        self._number.setText("–" if value is None else f"{value:.2f}")
        self.setToolTip(
            f"{partner.root}\ndirection agrees to {partner.direction_agreement:+.2f} of 1"
        )
        t = theme()
        edge, ground = (color, t.selected) if chosen else (t.line, t.panel)
        self.setStyleSheet(
            f"PartnerRow {{ background: {ground}; border: 1px solid {edge};"
            " padding: 0; min-height: 30px; }"
            f"PartnerRow:hover {{ border-color: {edge if chosen else t.faint}; }}"
        )


class PartnerList(QWidget):
    """Up to four partners."""

    def __init__(self, choose: Callable[[int], None], color: str) -> None:
        super().__init__()
        self._color = color
        self.rows = [PartnerRow(index, choose) for index in range(MOST)]
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        for row in self.rows:
            column.addWidget(row)

    def show_partners(self, partners: tuple[PartnerChoice, ...], chosen: int) -> None:
        """Show the partners of a site; none for questions about one segment."""
        for index, row in enumerate(self.rows):
            shown(row, when=index < len(partners))
            if index < len(partners):
                row.show_partner(partners[index], chosen=index == chosen, color=self._color)
