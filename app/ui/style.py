"""The style sheet, as a template over the fields of a `Theme`."""

from __future__ import annotations

from string import Template

__all__ = ["STYLE"]

STYLE = Template("""
QMainWindow, QDialog { background: $panel; }
QMainWindow::separator { background: $ground; width: 4px; height: 4px; }
QMainWindow::separator:hover { background: $line; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px; }

#topBar { background: $panel; border-bottom: 1px solid $line; }
#bottomBar { background: $panel; border-top: 1px solid $line; }
#queueDock, #verdictDock { background: $panel; }
#stage { background: $ground; }

QToolBar { border: none; padding: 0; spacing: 0; background: $panel; }
QLabel { background: transparent; }
QLabel[tone="dim"] { color: $dim; }
QLabel[tone="faint"] { color: $faint; }
QLabel[tone="error"] { color: $error; }
QLabel[tone="ask"] {
  background: $text; color: $panel; border-radius: 4px; padding: 4px 12px; font-weight: 600;
}
QLabel[chip="A"], QLabel[chip="B"] {
  color: #ffffff; border-radius: 3px; font-weight: 600;
}
QLabel[chip="A"] { background: $a; }
QLabel[chip="B"] { background: $b; color: #1b1e22; }
#keycap {
  background: $ground; color: $text; border: 1px solid $faint; border-bottom-width: 2px;
  border-radius: 4px; padding: 0 4px; font-weight: 600;
}
#keycap:disabled, QPushButton QLabel:disabled { color: $faint; border-color: $line; }
#rule { background: $line; }

QPushButton {
  background: $raised; color: $text; border: 1px solid $line; border-radius: 4px;
  padding: 4px 12px; min-height: 22px;
}
QPushButton:hover { background: $selected; border-color: $faint; }
QPushButton:pressed { background: $line; }
QPushButton:disabled { color: $faint; background: $panel; }
QPushButton[quiet="true"] {
  background: transparent; border-color: transparent; padding: 4px 8px; color: $dim;
}
QPushButton[quiet="true"]:hover { background: $raised; color: $text; }
QPushButton[quiet="true"]:disabled { color: $faint; background: transparent; }
QPushButton[menu="true"]::menu-indicator { image: none; width: 0; }
QPushButton:checked { background: $selected; border-color: $faint; color: $text; }
QPushButton:focus { border-color: $text; }
QPushButton[primary="true"]:focus { border: 2px solid $faint; }
QPushButton[primary="true"] {
  background: $text; color: $panel; border-color: $text; font-weight: 600;
}
QPushButton[primary="true"]:hover { background: $bar; }
QPushButton[primary="true"]:disabled { background: $raised; color: $faint; border-color: $line; }

QLineEdit {
  background: $ground; color: $text; border: 1px solid $line; border-radius: 4px;
  padding: 0 8px; min-height: 28px;
}
QLineEdit:focus { border-color: $dim; }

QTableView {
  background: $panel; color: $text; border: none; gridline-color: transparent; outline: none;
}
QTreeView {
  background: $panel; color: $text; border: 1px solid $line; border-radius: 6px; outline: none;
  padding: 4px; selection-background-color: $selected;
}
QTreeView::item { padding: 4px 8px; border: none; }
QTreeView::item:selected { background: $selected; color: $text; }
QTreeView::item:hover:!selected { background: $raised; }
QTreeView::item:disabled { color: $faint; }
QTreeView:focus { border-color: $faint; }
#detail, #banner { background: $raised; border: 1px solid $line; border-radius: 6px; }

QHeaderView { background: $panel; }
QHeaderView::section {
  background: $panel; color: $faint; border: none; border-bottom: 1px solid $line; padding: 4px 8px;
}
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar::handle:vertical {
  background: $line; border-radius: 3px; min-height: 32px; margin: 2px;
}
QScrollBar::handle:vertical:hover { background: $faint; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle:horizontal {
  background: $line; border-radius: 3px; min-width: 32px; margin: 2px;
}
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: none; }
QScrollArea { background: transparent; border: none; }
QScrollArea > QWidget > QWidget { background: transparent; }

QProgressBar {
  background: $ground; border: none; border-radius: 3px; max-height: 6px; min-height: 6px;
}
QProgressBar::chunk { background: $bar; border-radius: 3px; }

QSlider { min-height: 24px; }
QSlider::groove:horizontal { background: $ground; height: 6px; border-radius: 3px; }
QSlider::sub-page:horizontal { background: $faint; height: 6px; border-radius: 3px; }
QSlider::handle:horizontal {
  background: $text; width: 14px; margin: -5px 0; border-radius: 7px; border: 2px solid $panel;
}
QSlider::handle:horizontal:focus { border: 2px solid $dim; }

#toast { background: $raised; border: 1px solid $line; border-radius: 6px; }
#toast[level="error"] { border-color: $error; }
#toast[level="warning"] { border-color: $dim; }
#card { background: $raised; border: 1px solid $line; border-radius: 8px; }
QMenu { background: $raised; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 6px 16px; border-radius: 3px; }
QMenu::item:selected { background: $selected; }
""")
