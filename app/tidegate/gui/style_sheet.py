"""The application's style sheet, written out of the tokens of ``theme``; only what a palette cannot say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.paths import resource

if TYPE_CHECKING:
    from tidegate.gui.theme import Tokens


def style_sheet(t: Tokens) -> str:
    """One sheet for the whole application. Sizes are the 8 px grid of LOOK.md."""
    pressed = t.line
    check, some = (resource("icons", f"{name}.svg").as_posix() for name in ("check", "check-some"))
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
QPushButton[role="primary"]:disabled {{ background: {t.line}; border: 1px solid {t.line}; color: {t.muted}; }}
QPushButton[role="small"] {{ padding: 0; }}
QPushButton[role="more"] {{ background: transparent; border: none; color: {t.accent}; padding: 0; min-height: 24px;
  text-align: left; }}
QPushButton[role="more"]:focus, QPushButton[role="more"]:hover {{ text-decoration: underline; }}
QPushButton[role="quiet"] {{ background: transparent; border: 1px solid transparent; color: {t.muted};
  padding: 0 8px; min-height: 26px; }}
QPushButton[role="quiet"]:hover {{ background: {t.selection}; }}
QPushButton[role="quiet"]:focus {{ border: 1px solid {t.accent}; }}
QPushButton[role="icon"] {{ background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 0;
  min-height: 26px; }}
QPushButton[role="icon"]:hover {{ background: {t.line}; }}
QPushButton[role="icon"]:focus {{ border: 1px solid {t.accent}; }}
QPushButton[role="link"] {{ background: transparent; border: none; color: {t.accent}; padding: 0 4px;
  min-height: 24px; }}
QPushButton[role="link"]:focus {{ text-decoration: underline; }}

QPushButton[role="inline"] {{ background: transparent; border: none; color: {t.accent}; padding: 0 2px;
  min-height: 16px; max-height: 16px; font-size: 12px; }}
QPushButton[role="inline"]:hover, QPushButton[role="inline"]:focus {{ text-decoration: underline; }}
QFrame[role="setting"] {{ background: transparent; border: none; border-top: 1px solid {t.line};
  border-left: 2px solid transparent; }}
QFrame[role="setting"][changed="true"] {{ border-left: 2px solid {t.accent}; }}

QFrame[role="advice"] {{ background: transparent; border: none; border-top: 1px solid {t.line}; }}

QPushButton[role="page"] {{ background: transparent; border: 1px solid transparent; border-radius: 6px; color: {t.text};
  text-align: left; padding: 0 12px; min-height: 30px; }}
QPushButton[role="page"]:hover {{ background: {t.line}; }}
QPushButton[role="page"]:checked {{ background: {t.selection}; color: {t.accent}; font-weight: 600; }}
QPushButton[role="page"]:focus {{ border: 1px solid {t.accent}; }}

QLabel#badge {{ background: {t.attention}; color: {t.surface}; border-radius: 8px; padding: 0 5px; }}

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
QDialog, QWidget#dialogBody {{ background: {t.window}; }}
QLineEdit, QComboBox {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.line}; border-radius: 6px;
  min-height: 30px; padding: 0 8px; selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}
QLineEdit[role="filter"] {{ background: {t.window}; min-height: 24px; }}
QLineEdit:focus, QComboBox:focus {{ border: 1px solid {t.accent}; }}
QLineEdit:disabled, QComboBox:disabled {{ color: {t.faint}; background: {t.window}; }}
QLineEdit[invalid="true"], QComboBox[invalid="true"] {{ border: 1px solid {t.danger}; }}
QLineEdit[invalid="true"]:focus {{ border: 2px solid {t.danger}; min-height: 28px; padding: 0 7px; }}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow {{ image: none; }}
QComboBox QAbstractItemView {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.line};
  selection-background-color: {t.selection}; selection-color: {t.text}; outline: none; padding: 4px; }}
QListWidget {{ background: {t.surface}; color: {t.text}; border: 1px solid {t.line}; border-radius: 6px; outline: none;
  padding: 4px; }}
QListWidget:focus {{ border: 1px solid {t.accent}; }}
QListWidget::item {{ padding: 4px; border-radius: 4px; }}
QListWidget::item:selected {{ background: {t.selection}; color: {t.text}; }}
QLabel[role="attention"] {{ color: {t.attention}; }}
QLabel[role="ok"] {{ color: {t.ok}; }}
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

QCheckBox::indicator, QListWidget::indicator {{ width: 14px; height: 14px; border: 1px solid {t.faint};
  border-radius: 4px; background: {t.surface}; }}
QCheckBox:focus {{ color: {t.text}; }}
QCheckBox::indicator:focus, QCheckBox::indicator:hover {{ border: 1px solid {t.accent}; }}
QCheckBox::indicator:checked, QListWidget::indicator:checked {{ background: {t.accent}; border: 1px solid {t.accent};
  image: url("{check}"); }}
QCheckBox::indicator:indeterminate {{ background: {t.accent}; border: 1px solid {t.accent}; image: url("{some}"); }}
QCheckBox::indicator:disabled {{ border: 1px solid {t.line}; background: {t.window}; }}
QFrame[role="inset"] {{ background: {t.window}; border: 1px solid {t.line}; border-radius: 8px; }}
QListWidget[role="choices"] {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: 6px; color: {t.text};
  outline: none; padding: 4px; }}
QListWidget[role="choices"]::item {{ height: 28px; padding: 0 4px; border-radius: 4px; color: {t.text}; }}
QListWidget[role="choices"]::item:selected {{ background: {t.selection}; }}
QListWidget[role="choices"]:focus {{ border: 1px solid {t.accent}; }}

QFrame#message {{ border-radius: 8px; border: 1px solid {t.line}; background: {t.surface}; }}
QFrame#message[level="error"] {{ border: 1px solid {t.danger}; }}
QFrame#message[level="attention"] {{ border: 1px solid {t.attention}; }}
"""
