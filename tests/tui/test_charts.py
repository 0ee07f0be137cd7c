"""Charts are pure functions from numbers to cells."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from olearn_tui.charts.areas import STEPS, draw_area
from olearn_tui.charts.braille import area_dots, line_dots, packed
from olearn_tui.charts.grid import BLANK, MUTED, Grid
from olearn_tui.charts.lines import Line, draw_lines, spread
from olearn_tui.charts.posteriors import Belief, beta_density, draw_posteriors
from olearn_tui.charts.samples import peaks, resampled, series
from olearn_tui.charts.scale import scale_of, share_scale
from olearn_tui.charts.signed import NEGATIVE, POSITIVE, Signed, draw_signed
from olearn_tui.charts.tiles import Tile, draw_tiles

SECONDS = np.arange(61.0)


def line(name: str, values: np.ndarray, ink: int = 0) -> Line:
    return Line(name, SECONDS, values, ink)


def test_eight_dots_make_a_cell() -> None:
    assert packed(np.ones((4, 2), dtype=bool)).tolist() == [["⣿"]]
    assert packed(np.zeros((4, 2), dtype=bool)).tolist() == [[" "]]
    assert packed(np.array([[1, 0], [0, 0], [0, 0], [0, 1]], dtype=bool)).tolist() == [["⢁"]]


def test_a_line_has_no_hole_however_steep_it_is() -> None:
    dots = line_dots(np.array([0.0, 1.0, 0.0]), 12)
    assert dots.any(axis=0).all()
    assert dots[:, 1].sum() + dots[:, 0].sum() >= 12
    for left, right in ((0, 1), (1, 2)):
        rows = np.flatnonzero(dots[:, left]), np.flatnonzero(dots[:, right])
        assert min(abs(a - b) for a in rows[0] for b in rows[1]) <= 1


def test_a_gap_is_not_bridged() -> None:
    dots = line_dots(np.array([0.5, np.nan, 0.5]), 8)
    assert dots.any(axis=0).tolist() == [True, False, True]


@pytest.mark.parametrize(("level", "dots"), [(0.0, 0), (0.001, 1), (0.5, 4), (1.0, 8), (7.0, 8)])
def test_an_area_shows_the_least_there_is(level: float, dots: int) -> None:
    assert area_dots(np.array([level]), 8).sum() == dots


def test_samples_lie_on_straight_lines_between_and_nowhere_outside() -> None:
    times, values = series([10, 20]), series([1, 3])
    found = resampled(times, values, 0, 30, 31)
    assert np.isnan(found[:10]).all()
    assert found[10:21].tolist() == pytest.approx(np.linspace(1, 3, 11).tolist())
    assert np.isnan(found[23:]).all()


def test_no_peak_is_lost_where_there_are_more_samples_than_columns() -> None:
    values = np.zeros(1_000)
    values[503] = 9.0
    found = peaks(np.arange(1_000.0), values, 0, 999, 20)
    assert found.max() == 9.0


@pytest.mark.parametrize(
    ("low", "high", "most", "labels"),
    [
        (0, 1, 6, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 1_912, 3, ["0", "1.00k", "2.00k"]),
        (0.83, 0.88, 4, ["0.82", "0.84", "0.86", "0.88"]),
        (3, 3, 3, ["2", "4", "6"]),
        (float("nan"), 1, 2, ["0", "1"]),
    ],
)
def test_ticks_are_round_and_cover_the_values(
    low: float, high: float, most: int, labels: list[str]
) -> None:
    scale = scale_of(low, high, most)
    assert scale.labels() == labels
    assert not scale.low > low
    assert not scale.high < high


def test_shares_never_need_more_than_0_to_1() -> None:
    scale = share_scale(0.97, 1.0, 3)
    assert (scale.low, scale.high) == (0.96, 1.0)


def test_names_stand_where_their_lines_end_and_never_on_one_another() -> None:
    lines = [line("best", np.full(61, 0.9), 1), line("next", np.full(61, 0.9), 2)]
    grid = draw_lines([*lines, line("last", np.full(61, 0.1), 3)], 60, 13, shares=True)
    ends = [(text.split()[-2:], y) for y, text in enumerate(grid.lines()) if "0.900" in text]
    assert [said for said, _ in ends] == [["best", "0.900"], ["next", "0.900"]]
    assert "last 0.100" in grid.lines()[-3]
    assert {ink for text, ink in grid.runs(ends[1][1]) if "next" in text} == {2}


@pytest.mark.parametrize(
    ("wanted", "rows", "placed"),
    [
        ([0, 0, 0], 5, [0, 1, 2]),
        ([4, 4, 4], 5, [2, 3, 4]),
        ([1, 4, 4], 5, [1, 3, 4]),
        ([0, 0, 0], 2, [0, 1]),
    ],
)
def test_labels_are_spread(wanted: list[int], rows: int, placed: list[int]) -> None:
    assert spread(wanted, rows) == placed


def test_lines_that_share_a_cell_both_show() -> None:
    grid = draw_lines([line("a", np.full(61, 0.50), 1), line("b", np.full(61, 0.51), 2)], 60, 4)
    assert any(mark in "".join(grid.lines()) for mark in "⠒⠤⠶⠛⣀⣤")


@pytest.mark.parametrize("size", [(1, 1), (10, 2), (15, 3), (16, 3), (400, 100)])
def test_every_chart_fills_exactly_its_cells(size: tuple[int, int]) -> None:
    values = np.sin(SECONDS / 9) + 1
    drawn = [
        draw_lines([line("a", values)], *size),
        draw_area(SECONDS, values, *size),
        draw_posteriors([Belief("a", 0.9, 0.01), Belief("b", 0.2, 0.1)], *size),
        draw_signed([Signed("cost", -1.0), Signed("success", 2.0)], *size),
        draw_tiles([Tile("code", 0.5), Tile("sql", None)], *size),
    ]
    for grid in drawn:
        assert (grid.width, grid.height) == size
        assert all(len(text) == size[0] for text in grid.lines())


@pytest.mark.parametrize("none", [[], [Line("a", series([1]), series([None]))]])
def test_a_chart_without_data_says_so(none: list[Line]) -> None:
    assert "no data yet" in "".join(draw_lines(none, 40, 8).lines())


def test_no_size_is_too_small_to_draw_on() -> None:
    times, values = series([1.0, 2.0, 3.0]), series([0.5, None, 0.7])
    name = "a-name-that-is-long-beyond-measure"
    for width, height in product(range(50), range(8)):
        for grid in (
            draw_lines([Line(name, times, values)], width, height),
            draw_lines([Line(name, times, values)], width, height, shares=True, span_seconds=600),
            draw_area(times, 60_000 * values, width, height),
            draw_posteriors([Belief(name, 0.5, 0.1), Belief("b", 0.6, 0.001, 1)], width, height),
            draw_signed([Signed(name, 0.3), Signed("b", -0.2)], width, height),
            draw_tiles([Tile(name, 0.4), Tile("b", None)], width, height),
        ):
            assert all(sum(len(t) for t, _ in grid.runs(y)) == width for y in range(grid.height))


def test_an_area_is_coloured_by_height() -> None:
    grid = draw_area(SECONDS, np.full(61, 10.0), 40, 12)
    column = [ink for ink in grid.ink[:, -1].tolist() if ink >= 0]
    assert column == sorted(column, reverse=True)
    assert 0 <= min(column) < max(column) < STEPS


def test_a_posterior_is_a_density_with_its_mean() -> None:
    at = np.linspace(0, 1, 20_001)
    density = beta_density(at, 0.8, 0.05)
    step = at[1]
    assert (density * step).sum() == pytest.approx(1.0, abs=1e-3)
    assert (density * at * step).sum() == pytest.approx(0.8, abs=1e-3)
    spread_squared = (density * (at - 0.8) ** 2 * step).sum()
    assert spread_squared**0.5 == pytest.approx(0.05, rel=1e-2)


def test_the_surer_belief_is_narrower_and_higher() -> None:
    grid = draw_posteriors([Belief("sure", 0.9, 0.01, 0), Belief("unsure", 0.7, 0.05, 1)], 60, 10)
    filled = [(grid.ink == ink).sum(axis=1).nonzero()[0].min() for ink in (0, 1)]
    assert filled[0] < filled[1]


def test_signed_bars_lie_on_their_side_of_zero() -> None:
    grid = draw_signed([Signed("success · agent", 0.12), Signed("cost · rest", -0.06)], 60, 2)
    zero = grid.lines()[0].index("│")
    assert set(np.flatnonzero(grid.text[0] == "█")) == set(range(zero + 1, zero + 18))
    left = np.flatnonzero(grid.text[1] == "█")
    assert left.max() == zero - 1
    assert grid.ink[0, zero + 1] == POSITIVE
    assert grid.ink[1, zero - 1] == NEGATIVE
    assert "+0.1200" in grid.lines()[0]
    assert "-0.0600" in grid.lines()[1]


def test_a_tile_has_its_name_its_share_and_its_ink() -> None:
    grid = draw_tiles([Tile("bad", 0.0), Tile("good", 1.0), Tile("unknown", None)], 60, 1)
    assert "bad" in grid.lines()[0]
    assert "1.000" in grid.lines()[0]
    inks = [ink for text, ink in grid.runs(0) if text.strip()]
    assert inks == [0, 11, MUTED]


def test_what_is_blank_lets_through_what_is_below() -> None:
    below = Grid(3, 1).write(0, 0, "abc", 1)
    below.paste(Grid(3, 1).write(1, 0, "x", 2), 0, 0)
    assert below.runs(0) == [("a", 1), ("x", 2), ("c", 1)]
    assert Grid(2, 1).runs(0) == [("  ", BLANK)]
