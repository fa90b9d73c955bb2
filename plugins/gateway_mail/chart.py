"""
The picture in a digest: how many events of each kind there were, as bars.

It says nothing that the table beside it does not say; without Pillow there is none.
"""

from __future__ import annotations

import io
from importlib import util
from typing import Any, Final

from gateway_mail.letters import Letter

_WIDTH: Final = 640
_ROW: Final = 34
_MARGIN: Final = 16
_LABELS: Final = 230
_SIZE: Final = 15
#: Kinds of events that have bars; the table has them all.
_MOST: Final = 12

_INK: Final = "#1a1a1a"
_COLOURS: Final = {"info": "#0b4f8a", "warning": "#b36b00", "error": "#a3001b"}


def can_draw() -> bool:
    """Tell whether Pillow is installed."""
    return util.find_spec("PIL") is not None


def bars(letter: Letter) -> list[tuple[str, int, str]]:
    """Give title, count and severity of what has a bar, the most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for alarm in letter.alarms:
        key = (alarm.title, alarm.severity)
        counts[key] = counts.get(key, 0) + alarm.count
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [(title, count, severity) for (title, severity), count in ordered[:_MOST]]


def described(letter: Letter) -> str:
    """Say what the picture shows, for whoever does not see it."""
    said = "; ".join(f"{title}: {count:,}" for title, count, _ in bars(letter))
    return f"Bar chart of events by kind. {said}"


def draw(letter: Letter) -> bytes:
    """
    Draw it.

    @return: a PNG.
    @raise ImportError: Pillow is not installed.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = bars(letter)
    height = 2 * _MARGIN + _ROW * len(shown)
    # Drawn at twice the size, for screens that show so many points.
    picture = Image.new("RGB", (2 * _WIDTH, 2 * height), "#ffffff")
    pen = ImageDraw.Draw(picture)
    font: Any = ImageFont.load_default(2 * _SIZE)
    most = max(1, *(count for _, count, _ in shown))
    room = _WIDTH - 2 * _MARGIN - _LABELS - 80
    for index, (title, count, severity) in enumerate(shown):
        top = _MARGIN + index * _ROW
        middle = 2 * (top + _ROW // 2)
        label = _cut(pen, font, title, 2 * (_LABELS - 12))
        pen.text((2 * _MARGIN, middle), label, _INK, font, anchor="lm")
        left = _MARGIN + _LABELS
        right = left + max(2, room * count // most)
        pen.rectangle(
            (2 * left, 2 * (top + 6), 2 * right, 2 * (top + _ROW - 6)), _COLOURS[severity]
        )
        pen.text((2 * right + 12, middle), f"{count:,}", _INK, font, anchor="lm")
    # A few colours, so it takes a few kilobytes.
    stored = io.BytesIO()
    picture.quantize(32).save(stored, "PNG", optimize=True)
    return stored.getvalue()


def _cut(pen: Any, font: Any, text: str, room: int) -> str:
    if pen.textlength(text, font) <= room:
        return text
    while text and pen.textlength(text + "…", font) > room:
        text = text[:-1]
    return text + "…"
