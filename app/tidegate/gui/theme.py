"""The look as data (LOOK.md): tokens for light and dark, fonts and palette, following the system's scheme live."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from tidegate.gui.style_sheet import style_sheet

JOB_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Colours by use; ``jobs`` is colour-blind-safe and the same hue in both schemes."""

    window: str
    surface: str
    line: str
    navigation: str
    selection: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    ok: str
    attention: str
    danger: str
    other_programs: str
    jobs: tuple[str, ...]
    dark: bool


def _at_85_pct(colour: str) -> str:
    made = QColor(colour)
    return QColor(int(made.red() * 0.85), int(made.green() * 0.85), int(made.blue() * 0.85)).name()


LIGHT = Tokens(
    window="#F6F7F9",
    surface="#FFFFFF",
    line="#E3E6EB",
    navigation="#EEF0F4",
    selection="#E9F1FE",
    text="#1B2430",
    muted="#66717F",
    faint="#98A2AF",
    accent="#1F6FEB",
    on_accent="#FFFFFF",
    ok="#2E9E6B",
    attention="#B7791F",
    danger="#C8372D",
    other_programs="#D9DEE6",
    jobs=JOB_COLOURS,
    dark=False,
)
DARK = Tokens(
    window="#14181D",
    surface="#1B2027",
    line="#2B323C",
    navigation="#171B21",
    selection="#20304A",
    text="#E6EAF0",
    muted="#9AA5B3",
    faint="#6B7684",
    accent="#5B9DFF",
    on_accent="#FFFFFF",
    ok="#4CC38A",
    attention="#E2B045",
    danger="#F0695E",
    other_programs="#343C48",
    jobs=tuple(_at_85_pct(colour) for colour in JOB_COLOURS),
    dark=True,
)


def font(pixels: int, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The system's UI font with tabular figures, so that numbers do not dance when they change."""
    made = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    made.setPixelSize(pixels)
    made.setWeight(weight)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


def fixed_font(pixels: int) -> QFont:
    made = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    made.setPixelSize(pixels)
    return made


class Theme(QObject):
    """The tokens in force. ``changed`` is emitted after palette and style sheet follow the system's new scheme."""

    changed = Signal()

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self.tokens = LIGHT
        self._colours: dict[str, QColor] = {}
        QGuiApplication.styleHints().colorSchemeChanged.connect(self.follow)

    def apply(self) -> None:
        """Dress the whole application; called once at start."""
        self._application.setStyle("Fusion")
        self._application.setFont(font(13))
        self.follow(QGuiApplication.styleHints().colorScheme())

    def colour(self, name: str) -> QColor:
        """A token as a colour; kept, because every cell of the table asks."""
        made = self._colours.get(name)
        if made is None:
            made = self._colours[name] = QColor(getattr(self.tokens, name))
        return made

    def job_colour(self, index: int) -> QColor:
        return QColor(self.tokens.jobs[index % len(self.tokens.jobs)])

    def prefer(self, scheme: str) -> None:
        """``light``, ``dark``, or ``auto`` for the system's; live, for the window's frame too where the system can."""
        known = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        QGuiApplication.styleHints().setColorScheme(known.get(scheme, Qt.ColorScheme.Unknown))

    def follow(self, scheme: Qt.ColorScheme) -> None:
        """Dress for this scheme; the system calls it whenever a person changes theirs."""
        self.tokens = DARK if scheme == Qt.ColorScheme.Dark else LIGHT
        self._colours = {}
        self._application.setPalette(_palette(self.tokens))
        self._application.setStyleSheet(style_sheet(self.tokens))
        self.changed.emit()


def _palette(tokens: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for roles, colour in (
        ((role.Window, role.AlternateBase), tokens.window),
        ((role.Base, role.Button, role.ToolTipBase), tokens.surface),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.HighlightedText), tokens.text),
        ((role.PlaceholderText,), tokens.faint),
        ((role.Highlight,), tokens.selection),
        ((role.Accent, role.Link), tokens.accent),
        ((role.Mid, role.Dark, role.Midlight, role.Light), tokens.line),
    ):
        for each in roles:
            palette.setColor(each, QColor(colour))
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, QColor(tokens.faint))
    return palette
