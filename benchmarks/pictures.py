"""Small SVG pictures: they need no library and follow the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444")
GREY = "#8b949e"
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}"
    ".title{font-weight:600;font-size:13px}.quiet{fill:#6e7781}"
    ".axis{stroke:#8b949e;stroke-width:1}.grid{stroke:#8b949e;stroke-opacity:.25}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}}"
)

Point = tuple[float, float]


@dataclass(slots=True)
class Picture:
    """
    An SVG in the making.

    :param width: like `height` in pixels
    :param about: what the picture shows, for those who cannot see it
    """

    width: float
    height: float
    about: str
    parts: list[str] = field(default_factory=list)

    def line(self, points: Sequence[Point], colour: str, width: float = 2) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )

    def area(self, points: Sequence[Point], colour: str) -> None:
        """Fill what points enclose, thinly."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{path}" fill="{colour}" fill-opacity=".18"/>')

    def bar(self, at: Point, width: float, height: float, colour: str) -> None:
        """Fill a rectangle, given by its upper left corner."""
        x, y = at
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
            f' fill="{colour}"/>'
        )

    def dot(self, at: Point, colour: str, radius: float = 4) -> None:
        """Draw a dot."""
        x, y = at
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def rule(self, start: Point, end: Point, kind: str = "axis") -> None:
        """Draw a straight line of an axis or a grid."""
        (x1, y1), (x2, y2) = start, end
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'
        )

    def text(self, at: Point, words: str, kind: str = "", anchor: str = "start") -> None:
        """Write words, beginning, centred or ending (`anchor`) there."""
        x, y = at
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def write(self, path: Path) -> None:
        """Write the file."""
        size = f"{self.width:g} {self.height:g}"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">'
        about = f"<title>{escape(self.about)}</title><style>{STYLE}</style>"
        path.write_text("\n".join([head, about, *self.parts, "</svg>"]) + "\n")


@dataclass(frozen=True, slots=True)
class Frame:
    """
    A rectangle of a picture with scales.

    :param x: values at its left and right edge
    :param y: values at its lower and upper edge
    """

    left: float
    top: float
    width: float
    height: float
    x: Point
    y: Point

    def at(self, x: float, y: float) -> Point:
        """Return where a value lies."""
        return (
            self.left + self.width * (x - self.x[0]) / (self.x[1] - self.x[0]),
            self.top + self.height * (1.0 - (y - self.y[0]) / (self.y[1] - self.y[0])),
        )

    def axis_x(self, picture: Picture, ticks: Sequence[tuple[float, str]]) -> None:
        """Draw the lower edge with its ticks, a grid line each."""
        bottom = self.y[0]
        picture.rule(self.at(self.x[0], bottom), self.at(self.x[1], bottom))
        for value, name in ticks:
            x, y = self.at(value, bottom)
            picture.rule((x, self.top), (x, y), "grid")
            picture.text((x, y + 16), name, "quiet", "middle")

    def axis_y(self, picture: Picture, ticks: Sequence[tuple[float, str]]) -> None:
        """Draw grid lines with their values at the left."""
        for value, name in ticks:
            x, y = self.at(self.x[0], value)
            picture.rule((x, y), (x + self.width, y), "grid")
            picture.text((x - 6, y + 4), name, "quiet", "end")
