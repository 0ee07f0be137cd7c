from __future__ import annotations

import pytest

from olearn_core.cli import output


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (12_345, "12,345"), (0.5, "0.5")],
)
def test_values_in_cells(value, cell):
    assert output.shown(value) == cell


def test_quantities_have_units_and_nothing_stays_nothing():
    assert output.percent(0.123) == "12.3 %"
    assert output.number(1_234.5, "ms", 1) == "1,234.5 ms"
    assert output.usd(0.0012) == "$0.00120"
    assert output.percent(None) is None
    assert output.number(None, "ms") is None
    assert output.usd(None) is None
    assert output.when(None) is None


def test_names_are_not_taken_for_markup(capsys):
    output.print_table(("agent",), [("[red]agent[/red]",)])
    assert "[red]agent[/red]" in capsys.readouterr().out
