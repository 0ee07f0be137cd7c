"""A strip of tiles, each with a name and a share, its ink by the share."""

from __future__ import annotations

from dataclasses import dataclass

from olearn_tui.charts.grid import Grid
from olearn_tui.formats import shortened

STEPS = 12
LEAST_WIDTH = 16
MOST_WIDTH = 30


@dataclass(frozen=True, slots=True)
class Tile:
    """A named share; None while there is no data."""

    name: str
    value: float | None


def draw_tiles(tiles: list[Tile], width: int, height: int) -> Grid:
    """Draw as many tiles as there is room for, in rows; inks 0 … `STEPS` − 1 rise from 0 to 1."""
    grid = Grid(width, height)
    if not tiles:
        return grid.write(max(0, (width - 12) // 2), height // 2, "no data yet")
    size = _size(tiles, width)
    across = _across(tiles, width)
    for place, tile in enumerate(tiles[: across * height]):
        y, x = divmod(place, across)
        grid.write(x * (size + 1), y, _label(tile, size), _ink(tile.value))
    return grid


def seen(tiles: list[Tile], width: int, height: int) -> int:
    """Return how many tiles there is room for."""
    return min(len(tiles), height * _across(tiles, width))


def rows(tiles: list[Tile], width: int) -> int:
    """Return how many rows all tiles take."""
    return -(-len(tiles) // _across(tiles, width))


def _across(tiles: list[Tile], width: int) -> int:
    return max(1, (width + 1) // (_size(tiles, width) + 1))


def _size(tiles: list[Tile], width: int) -> int:
    longest = max((len(tile.name) for tile in tiles), default=0) + 8  # with its value
    return min(max(longest, LEAST_WIDTH), MOST_WIDTH, width)


def _label(tile: Tile, size: int) -> str:
    room = max(1, size - 8)
    name = shortened(tile.name, room)
    value = "  -  " if tile.value is None else f"{tile.value:.3f}"
    return f" {name:<{room}} {value} "


def _ink(value: float | None) -> int:
    if value is None:
        return -2
    return min(STEPS - 1, int(max(0.0, min(1.0, value)) * STEPS))
