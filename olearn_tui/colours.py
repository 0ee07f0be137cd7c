"""Colours of what is drawn: told apart by people who see fewer, readable on dark and light."""

from __future__ import annotations

from textual.color import Color
from textual.theme import Theme

# After Okabe and Ito; the dark ones are theirs made lighter, the light ones darker, until
# each has a contrast of at least 3 to every built-in theme's background.
ON_DARK = ("#56b4e9", "#f0a830", "#2fc796", "#e68fc0", "#f0e442", "#ff8a5c")
ON_LIGHT = ("#005f99", "#8a5200", "#00684b", "#99336f", "#5c5600", "#a83a00")

BLACK = Color.parse("#000000")


def series_colours(*, dark: bool) -> tuple[Color, ...]:
    """Return the colours of lines, in order."""
    return tuple(map(Color.parse, ON_DARK if dark else ON_LIGHT))


def gradient(theme: Theme, steps: int, *, heat: bool = False) -> list[Color]:
    """
    Return colours from calm to high, or with `heat` from bad to good.

    Calm is the theme's success colour, high its error colour, by way of its warning colour.
    """
    low, middle, high = (
        Color.parse(colour or "#888888") for colour in (theme.success, theme.warning, theme.error)
    )
    if heat:
        low, high = high, low
    if not theme.dark and not heat:
        low, middle, high = (colour.blend(BLACK, 0.3) for colour in (low, middle, high))
    half = (steps - 1) / 2
    return [
        low.blend(middle, place / half) if place <= half else middle.blend(high, place / half - 1)
        for place in range(steps)
    ]


def contrast(one: Color, other: Color) -> float:
    """Return the ratio of two colours' luminances, 1 to 21, as WCAG 2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Color) -> float:
    parts = (channel / 255 for channel in colour.rgb)
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
