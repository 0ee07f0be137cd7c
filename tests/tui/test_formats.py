"""Numbers as text, filters, columns, colours."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from olearn_tui import formats
from olearn_tui.colours import contrast, series_colours
from olearn_tui.filtering import matches
from olearn_tui.themes import PRODUCTION
from olearn_tui.widgets.column import Column, fitting

THEMES = {**BUILTIN_THEMES, PRODUCTION.name: PRODUCTION}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (0, "0"),
        (7, "7"),
        (12.34, "12.3"),
        (999.4, "999"),
        (1_284, "1.28k"),
        (50_140, "50.1k"),
        (999_600, "1.00M"),
        (3.2e12, "3.20T"),
        (-1_500, "-1.50k"),
    ],
)
def test_a_big_number_is_short(value: float | None, text: str) -> None:
    assert formats.compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.02, "20 ms"), (1.5, "1.5 s"), (12, "12 s"), (180, "3 m"), (90_000, "1 d")],
)
def test_a_span_has_its_biggest_unit(seconds: float | None, text: str) -> None:
    assert formats.span(seconds) == text


def test_a_time_that_is_none_is_a_dash() -> None:
    assert formats.clock("2026-11-22T09:03:05.123Z") == "09:03:05"
    assert formats.clock("yesterday") == formats.clock(None) == "-"


def test_a_stranger_cannot_steer_the_terminal() -> None:
    assert formats.printable("a\x1b[2Jb\n") == "a·[2Jb·"


@pytest.mark.parametrize(
    ("share", "bar"), [(0, "    "), (0.13, "╸   "), (0.5, "━━  "), (1, "━━━━"), (9, "━━━━")]
)
def test_a_bar_is_as_long_as_its_share(share: float, bar: str) -> None:
    assert formats.bar(share, 4) == bar


def test_sparks_go_from_lowest_to_highest() -> None:
    assert formats.sparks([0.1, 0.5, 0.9], 5) == "  ▁▄▇"
    assert formats.sparks([0.5, 0.5], 2) == "▄▄"
    assert formats.sparks([], 3) == "   "


@pytest.mark.parametrize(
    ("pattern", "text", "lets"),
    [
        ("", "coder", True),
        ("cdr", "Coder", True),
        ("rdc", "coder", False),
        ("code rev", "code-reviewer", True),
        ("!rev", "code-reviewer", False),
        ("!rev", "coder", True),
        ("code !rev", "coder", True),
        ("!", "coder", True),
    ],
)
def test_a_filter_is_fuzzy_and_can_exclude(pattern: str, text: str, lets: bool) -> None:
    assert matches(pattern, text) is lets


def test_columns_of_least_importance_go_first() -> None:
    columns = [
        Column("name", 10, str, str, left=True, grows=True),
        Column("rare", 10, str, str, rank=2),
        Column("useful", 10, str, str, rank=1),
    ]
    assert [c.title for c, _ in fitting(columns, 80)] == ["name", "rare", "useful"]
    assert [c.title for c, _ in fitting(columns, 30)] == ["name", "useful"]
    assert [(c.title, width) for c, width in fitting(columns, 20)] == [("name", 19)]
    assert [(c.title, width) for c, width in fitting(columns, 5)] == [("name", 10)]


def test_what_is_too_long_is_cut_visibly() -> None:
    column = Column("name", 4, str, str)
    assert column.fitted("abcdef", 4) == "abc…"
    assert column.fitted("ab", 4) == "  ab"


@pytest.mark.parametrize("name", sorted(n for n, t in THEMES.items() if "ansi" not in n))
def test_lines_can_be_read_on_every_theme(name: str) -> None:
    theme = THEMES[name]
    variables = theme.to_color_system().generate()
    background = Color.parse(variables["background"])
    for colour in series_colours(dark=theme.dark):
        assert contrast(colour, background) >= 3, (name, colour.hex)


def test_contrast_is_as_wcag_says() -> None:
    black, white = Color.parse("#000000"), Color.parse("#ffffff")
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(Color.parse("#767676"), white) == pytest.approx(4.54, abs=0.01)
