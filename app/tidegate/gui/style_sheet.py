"""The application's style sheet, written out of the tokens of ``theme``; only what a palette cannot say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.gui.theme import Tokens


def style_sheet(t: Tokens) -> str:
    """One sheet for the whole application. Sizes are the 8 px grid of LOOK.md."""
    pressed = t.line
    return f"""
QMainWindow, QWidget#page {{ background: {t.window}; }}
QFrame[role="card"] {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: 10px; }}
QFrame#rail {{ background: {t.navigation}; border: none; border-right: 1px solid {t.line}; }}
QLabel {{ background: transparent; border: none; }}
QLabel[role="muted"] {{ color: {t.muted}; }}
QLabel[role="faint"] {{ color: {t.faint}; }}
QLabel[role="danger"] {{ color: {t.danger}; }}
QLabel[role="title"] {{ color: {t.text}; }}

QPushButton {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.line}; border-radius: 6px;
  min-height: 30px; padding: 0 16px; }}
QPushButton:hover {{ background: {t.selection}; }}
QPushButton:pressed {{ background: {pressed}; }}
QPushButton:focus {{ border: 1px solid {t.accent}; }}
QPushButton:disabled {{ color: {t.faint}; }}
QPushButton[role="primary"] {{ background: {t.accent}; color: {t.on_accent}; border: 1px solid {t.accent};
  font-weight: 600; padding: 0 8px; }}
QPushButton[role="primary"]:focus {{ border: 1px solid {t.text}; }}
QPushButton[role="quiet"] {{ background: transparent; border: 1px solid transparent; color: {t.muted};
  padding: 0 8px; min-height: 26px; }}
QPushButton[role="quiet"]:hover {{ background: {t.selection}; }}
QPushButton[role="quiet"]:focus {{ border: 1px solid {t.accent}; }}
QPushButton[role="link"] {{ background: transparent; border: none; color: {t.accent}; padding: 0 4px;
  min-height: 24px; }}
QPushButton[role="link"]:focus {{ text-decoration: underline; }}

QPushButton[role="page"] {{ background: transparent; border: 1px solid transparent; border-radius: 6px; color: {t.text};
  text-align: left; padding: 0 12px; min-height: 30px; }}
QPushButton[role="page"]:hover {{ background: {t.line}; }}
QPushButton[role="page"]:checked {{ background: {t.selection}; color: {t.accent}; font-weight: 600; }}
QPushButton[role="page"]:focus {{ border: 1px solid {t.accent}; }}

QPushButton[role="tab"] {{ background: transparent; border: 1px solid transparent; border-radius: 12px;
  color: {t.muted}; padding: 0 12px; min-height: 22px; }}
QPushButton[role="tab"]:hover {{ color: {t.text}; }}
QPushButton[role="tab"]:checked {{ background: {t.selection}; color: {t.accent}; font-weight: 600; }}
QPushButton[role="tab"]:focus {{ border: 1px solid {t.accent}; }}

QTableView {{ background: transparent; border: none; color: {t.text}; selection-background-color: {t.selection};
  selection-color: {t.text}; outline: none; }}
QHeaderView {{ background: transparent; border: none; }}
QHeaderView::section {{ background: {t.surface}; color: {t.muted}; border: none; border-bottom: 1px solid {t.line};
  padding: 0 8px; font-size: 11px; font-weight: 600; }}
QHeaderView::section:first {{ padding-left: 16px; }}
QTableCornerButton::section {{ background: transparent; border: none; }}

QPlainTextEdit {{ background: {t.window}; border: 1px solid {t.line}; border-radius: 6px; color: {t.text};
  selection-background-color: {t.accent}; selection-color: {t.on_accent}; padding: 4px; }}
QScrollArea {{ background: transparent; border: none; }}
QSplitter::handle {{ background: transparent; }}
QToolTip {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.line}; padding: 4px 6px; }}
QCheckBox {{ color: {t.muted}; background: transparent; }}

QMenu {{ background: {t.surface}; border: 1px solid {t.line}; padding: 4px; }}
QMenu::item {{ padding: 6px 24px 6px 16px; border-radius: 4px; color: {t.text}; }}
QMenu::item:selected {{ background: {t.selection}; }}
QMenu::item:disabled {{ color: {t.muted}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 8px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {t.line}; border-radius: 4px; min-height: 32px; margin: 1px; }}
QScrollBar::handle:vertical:hover {{ background: {t.faint}; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle:horizontal {{ background: {t.line}; border-radius: 4px; min-width: 32px; margin: 1px; }}
QScrollBar::handle:horizontal:hover {{ background: {t.faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QFrame#message {{ border-radius: 8px; border: 1px solid {t.line}; background: {t.surface}; }}
QFrame#message[level="error"] {{ border: 1px solid {t.danger}; }}
QFrame#message[level="attention"] {{ border: 1px solid {t.attention}; }}
"""
