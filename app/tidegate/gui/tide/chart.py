"""Draws the tide: stacked bands over time, the limit lines with their names on them, and *now*."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from tidegate.gui.theme import Theme, font
from tidegate.gui.tide.bands import JOBLESS, OTHER, RESERVED, SHORT_JOBS, Band
from tidegate.gui.tide.limit_lines import Line

LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 64, 20, 28, 28
_LABEL_MIN_PX = 15
_NAME_PLACES = ((1.0, 0.5), (2.0, 0.7), (2.0, 0.3))
"""How many names high a band must be for its name to stand at this part of its height; the middle is best."""
SLICE_S = 0.006
"""Drawing gives way to other events after so long."""
_TIME_MARKS = 5
_TIME_STEPS_S = (15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn. ``paused`` has spans of time (start, end) in which a job stood still."""

    bands: Sequence[Band]
    top: float
    now: float
    span_s: float
    lines: Sequence[Line]
    amount: Callable[[float], str]
    names: Mapping[str, str]
    colours: Mapping[str, int]
    paused: Mapping[str, Sequence[tuple[float, float]]]


class TideChart(QWidget):
    """``job_clicked(str)``. Draws into a pixmap between other events, and paints from that."""

    job_clicked = Signal(str)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._picture: Picture | None = None
        self._cache: QPixmap | None = None
        self._drawing: Generator[bool, None, None] | None = None
        self._slices = QTimer(self)
        self._slices.setInterval(0)
        self._slices.timeout.connect(self._draw_slice)
        self._small = font(11)
        self._strong = font(11, QFont.Weight.DemiBold)
        self._metrics = QFontMetricsF(self._small)
        self.setMinimumHeight(160)
        self.setAccessibleName(self.tr("The machine over time"))
        theme.changed.connect(self._redraw)

    @property
    def picture(self) -> Picture | None:
        """What is shown; None before the first reading."""
        return self._picture

    def show_picture(self, picture: Picture) -> None:
        self._picture = picture
        self._redraw()

    def sizeHint(self) -> QSize:
        return QSize(1000, 320)

    @property
    def complete(self) -> bool:
        """Whether what is shown is what was asked for last."""
        return self._drawing is None

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._redraw()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._cache is not None:
            QPainter(self).drawPixmap(0, 0, self._cache)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        band = self.band_at(event.position())
        if band is not None and band.id not in JOBLESS:
            self.job_clicked.emit(band.id)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.words_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def band_at(self, point: QPointF) -> Band | None:
        """The band under a point of the widget."""
        found = self._find(point)
        return None if found is None else found[0]

    def words_at(self, point: QPointF) -> str:
        """Who is there, with how much, and its share of what is in use."""
        found = self._find(point)
        if found is None or self._picture is None:
            return ""
        band, place, moment = found
        amount = band.upper[place] - band.lower[place]
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        if band.id == RESERVED:
            return self.tr("reserved for running jobs, not used yet\n{amount} at {clock}").format(
                amount=self._picture.amount(amount), clock=clock
            )
        used = [b for b in self._picture.bands if b.id != RESERVED]
        tops = [b.upper[b.times.index(moment)] for b in used if moment in b.times]
        share = amount / max(tops) * 100 if tops and max(tops) > 0 else 0.0
        return self.tr("{name}\n{amount}, {share} % of what is in use, at {clock}").format(
            name=self._name(band.id), amount=self._picture.amount(amount), share=round(share), clock=clock
        )

    # --- Geometry ---

    def _plot(self) -> QRectF:
        return QRectF(LEFT_PX, TOP_PX, max(1, self.width() - LEFT_PX - RIGHT_PX), self.height() - TOP_PX - BOTTOM_PX)

    def _x(self, moment: float, picture: Picture, plot: QRectF) -> float:
        return plot.right() - (picture.now - moment) / picture.span_s * plot.width()

    def _y(self, value: float, picture: Picture, plot: QRectF) -> float:
        return plot.bottom() - min(1.0, value / picture.top) * plot.height()

    def _find(self, point: QPointF) -> tuple[Band, int, float] | None:
        picture, plot = self._picture, self._plot()
        if picture is None or not plot.contains(point):
            return None
        moment = picture.now - (plot.right() - point.x()) / plot.width() * picture.span_s
        value = (plot.bottom() - point.y()) / plot.height() * picture.top
        for band in picture.bands:
            place = min(range(len(band.times)), key=lambda i: abs(band.times[i] - moment))
            apart = band.times[1] - band.times[0] if len(band.times) > 1 else 0.0
            near = abs(band.times[place] - moment) <= max(picture.span_s / 100, apart)
            if near and band.lower[place] <= value < band.upper[place]:
                return band, place, band.times[place]
        return None

    # --- Painting ---

    def _redraw(self) -> None:
        """Draw anew, in slices between other events; what is shown stays until the new drawing is complete."""
        if self._drawing is not None:
            self._drawing.close()
        self._drawing = self._draw()
        self._slices.start()

    def _draw_slice(self) -> None:
        until = time.perf_counter() + SLICE_S
        while self._drawing is not None and time.perf_counter() < until:
            if next(self._drawing, None) is None:
                self._drawing = None
                self._slices.stop()
                self.update()

    def _draw(self) -> Generator[bool, None, None]:
        """Yields after every part; the last one puts the drawing in place."""
        ratio = self.devicePixelRatioF()
        made = QPixmap(int(self.width() * ratio), int(self.height() * ratio))
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        try:
            painter.setFont(self._small)
            if self._picture is None:
                painter.setPen(self._theme.colour("muted"))
                words = self.tr("Readings appear here every second.")
                painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), words)
            else:
                yield from self._draw_picture(painter, self._picture, self._plot())
        finally:
            painter.end()
        self._cache = made

    def _draw_picture(self, painter: QPainter, picture: Picture, plot: QRectF) -> Generator[bool, None, None]:
        self._draw_scale(painter, picture, plot)
        yield True
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(plot)
        for band in picture.bands:
            self._draw_band(painter, picture, plot, band, self._polygon(band, picture, plot))
            yield True
        painter.setClipping(False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for line in picture.lines:
            self._draw_line(painter, picture, plot, line)
        yield True
        self._name_bands(painter, picture, plot)
        self._draw_now(painter, plot)

    def _draw_scale(self, painter: QPainter, picture: Picture, plot: QRectF) -> None:
        faint, line = self._theme.colour("faint"), self._theme.colour("line")
        for quarter in range(5):
            value = picture.top * quarter / 4
            y = round(self._y(value, picture, plot))
            painter.setPen(line)
            painter.drawLine(int(plot.left()), y, int(plot.right()), y)
            painter.setPen(faint)
            label = QRectF(0, y - 8, LEFT_PX - 10, 16)
            painter.drawText(
                label, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), picture.amount(value)
            )
        step = next((each for each in _TIME_STEPS_S if picture.span_s / each <= _TIME_MARKS), _TIME_STEPS_S[-1])
        moment = (picture.now - picture.span_s) // step * step + step
        while moment < picture.now:
            x = self._x(moment, picture, plot)
            text = time.strftime("%H:%M" if step >= 60 else "%H:%M:%S", time.localtime(moment))
            width = self._metrics.horizontalAdvance(text)
            if plot.left() <= x - width / 2 and x + width / 2 <= plot.right():
                painter.drawText(QPointF(x - width / 2, plot.bottom() + 20), text)
            moment += step

    def _polygon(self, band: Band, picture: Picture, plot: QRectF) -> QPolygonF:
        scale_x, scale_y = plot.width() / picture.span_s, plot.height() / picture.top
        right, bottom, now, top = plot.right(), plot.bottom(), picture.now, picture.top
        xs = [right - (now - moment) * scale_x for moment in band.times]
        points = [QPointF(x, bottom - min(top, up) * scale_y) for x, up in zip(xs, band.upper, strict=True)]
        # The newest step ends at its middle; the band reaches to *now*.
        if band.times and now - band.times[-1] < picture.span_s / 40:
            points.append(QPointF(right, points[-1].y()))
            points.append(QPointF(right, bottom - min(top, band.lower[-1]) * scale_y))
        points.extend(
            QPointF(x, bottom - min(top, low) * scale_y)
            for x, low in zip(reversed(xs), reversed(band.lower), strict=True)
        )
        return QPolygonF(points)

    def _draw_band(self, painter: QPainter, picture: Picture, plot: QRectF, band: Band, shape: QPolygonF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour(band.id, picture))
        painter.drawPolygon(shape)
        for start, end in picture.paused.get(band.id, ()):
            left, right = self._x(start, picture, plot), self._x(end, picture, plot)
            painter.save()
            painter.setClipRect(QRectF(left, plot.top(), right - left, plot.height()), Qt.ClipOperation.IntersectClip)
            stripes = QColor(self._theme.colour("surface"))
            stripes.setAlphaF(0.6)
            painter.setBrush(QBrush(stripes, Qt.BrushStyle.BDiagPattern))
            painter.drawPolygon(shape)
            painter.restore()

    def _draw_line(self, painter: QPainter, picture: Picture, plot: QRectF, line: Line) -> None:
        y = round(self._y(line.value, picture, plot))
        colour = self._theme.colour(line.tone)
        painter.setPen(QPen(colour, 1, Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine))
        # The name stands on its line, which is interrupted for it.
        room = self._line_room(line, picture, plot)
        painter.drawLine(int(plot.left()), y, int(room.left()), y)
        painter.drawLine(int(room.right()), y, int(plot.right()), y)
        plate = QColor(self._theme.colour("surface"))
        plate.setAlphaF(0.8 if self._covered(room, picture, plot) else 1.0)
        painter.fillRect(room, plate)
        painter.setPen(colour)
        painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), line.name)

    def _line_room(self, line: Line, picture: Picture, plot: QRectF) -> QRectF:
        width = self._metrics.horizontalAdvance(line.name)
        x = plot.right() - width - 10 if line.at_right else plot.left() + 6
        return QRectF(x - 4, round(self._y(line.value, picture, plot)) - 8, width + 8, 16)

    def _covered(self, room: QRectF, picture: Picture, plot: QRectF) -> bool:
        """Whether a band lies behind the name; then it shows through."""
        value = (plot.bottom() - room.bottom()) / plot.height() * picture.top
        scale = picture.span_s / plot.width()
        first, last = (picture.now - (plot.right() - x) * scale for x in (room.left(), room.right()))
        return any(
            max(band.upper[bisect_left(band.times, first) : bisect_left(band.times, last)], default=0.0) > value
            for band in picture.bands
        )

    def _name_bands(self, painter: QPainter, picture: Picture, plot: QRectF) -> None:
        painter.setFont(self._strong)
        metrics = QFontMetricsF(self._strong)
        for band in picture.bands:
            text = self._name(band.id)
            width = metrics.horizontalAdvance(text)
            room = self._roomiest(band, picture, plot, width)
            if room is None:
                continue
            painter.setPen(self._theme.colour("muted") if band.id in (OTHER, RESERVED) else QColor("#FFFFFF"))
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter), text)
        painter.setFont(self._small)

    def _roomiest(self, band: Band, picture: Picture, plot: QRectF, width: float) -> QRectF | None:
        """Room for a name that lies wholly in the band and under no line's name, nor, where it can be, on a line."""
        names = [self._line_room(line, picture, plot) for line in picture.lines]
        levels = [self._y(line.value, picture, plot) for line in picture.lines]
        found: list[QRectF] = []
        for high, centre in _NAME_PLACES:
            rooms = self._rooms(band, picture, plot, width, high, centre)
            rooms = [room for room in rooms if not any(room.intersects(name) for name in names)]
            clear = [room for room in rooms if not any(room.top() < y < room.bottom() for y in levels)]
            if clear:
                return clear[len(clear) // 2]
            found = found or rooms
        return found[len(found) // 2] if found else None

    def _rooms(
        self, band: Band, picture: Picture, plot: QRectF, width: float, times_higher: float, centre: float
    ) -> list[QRectF]:
        """Where the band is high enough for a name at ``centre`` of its height."""
        if len(band.times) < 2:
            return []
        spacing = (band.times[1] - band.times[0]) / picture.span_s * plot.width()
        half = int((width + 12) / spacing / 2) + 1
        high_enough = times_higher * _LABEL_MIN_PX / plot.height() * picture.top
        left_most = picture.now - picture.span_s
        rooms = []
        for i in range(half, len(band.times) - half, max(1, half // 2)):
            low, up = max(band.lower[i - half : i + half + 1]), min(band.upper[i - half : i + half + 1])
            if up - low >= high_enough and band.times[i - half] >= left_most:
                x, y = self._x(band.times[i], picture, plot), self._y(low + (up - low) * centre, picture, plot)
                rooms.append(QRectF(x - width / 2, y - 8, width + 1, 16))
        return rooms

    def _draw_now(self, painter: QPainter, plot: QRectF) -> None:
        text = self.tr("now")
        ink, paper = self._theme.colour("text"), self._theme.colour("surface")
        x = int(plot.right())
        painter.setPen(QPen(ink, 1))
        painter.drawLine(x, int(plot.top()) - 4, x, int(plot.bottom()))
        width = self._metrics.horizontalAdvance(text) + 14
        pill = QRectF(x - width / 2, plot.top() - 22, width, 18)
        pill.moveRight(min(pill.right(), self.width() - 2.0))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawRoundedRect(pill, 4, 4)
        painter.setPen(paper)
        painter.setFont(self._strong)
        painter.drawText(pill, int(Qt.AlignmentFlag.AlignCenter), text)

    def _colour(self, id: str, picture: Picture) -> QColor:
        if id == OTHER:
            return self._theme.colour("other_programs")
        if id == RESERVED:
            return self._theme.colour("selection")
        if id == SHORT_JOBS:
            return self._theme.colour("faint")
        return self._theme.job_colour(picture.colours.get(id, 0))

    def _name(self, id: str) -> str:
        if id == SHORT_JOBS:
            return self.tr("short jobs")
        if id == RESERVED:
            return self.tr("reserved")
        return self._picture.names.get(id, self.tr("job {id}").format(id=id)) if self._picture else id
