"""What an outcome adds to the sums: integers, capped, rounded half to even."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olearn_core.events import Outcome
from olearn_core.statistics import SUM_LIMIT, Column, OutcomeBatch, standard
from olearn_core.statistics.columns import EVENTS_PER_CELL

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
NAN = math.nan
OF_DECISIONS = (standard.DECIDED, standard.JOINED)
STANDARD = [
    value
    for value in vars(standard).values()
    if isinstance(value, Column) and value not in OF_DECISIONS
]
BY_NAME = {column.name: column for column in STANDARD}


def latencies(*values: float) -> OutcomeBatch:
    """Return successes that took so long; NaN where it is not known."""
    return OutcomeBatch.of(
        [
            Outcome(agent_name="a", status="success", latency_ms=None if math.isnan(v) else v)
            for v in values
        ]
    )


def column(scale: int = 1, cap: float = 100.0, power: int = 1) -> Column:
    """Return a column of latencies."""
    return Column("x", "ms", scale, cap, lambda batch: batch.latency_ms, power)


def added(of: Column, *values: float) -> list[int]:
    """Return what latencies add to a column."""
    integers = of.integers(latencies(*values))
    assert integers.dtype == np.int64
    assert integers.shape == (len(values),)
    result: list[int] = integers.tolist()
    return result


def standard_sums(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the sums of the standard columns that are not zero."""
    batch = OutcomeBatch.of(outcomes)
    sums = {one.name: int(one.integers(batch).sum()) for one in STANDARD}
    return {name: value for name, value in sums.items() if value}


# ---- one column


def test_values_are_scaled_and_rounded_half_to_even() -> None:
    assert added(column(), 0.5, 1.5, 2.5, 3.5, 0.49, 0.51) == [0, 2, 2, 4, 0, 1]
    assert added(column(scale=10), 0.25, 0.75, 1.25, 7.04) == [2, 8, 12, 70]


def test_values_beyond_the_cap_count_as_the_cap() -> None:
    assert added(column(scale=10, cap=2.0), 1.9, 2.0, 2.1, 1e300, math.inf) == [19, 20, 20, 20, 20]


def test_values_below_zero_count_as_zero() -> None:
    batch = latencies(0.0, 0.0)
    negative = Column("x", "ms", 1, 5, lambda b: b.latency_ms - np.array([3.0, math.inf]))
    assert negative.integers(batch).tolist() == [0, 0]


def test_nan_adds_nothing_whatever_the_power() -> None:
    for power in (1, 2, 3):
        assert added(column(power=power), NAN, 2.0, NAN) == [0, 2**power, 0]
    assert added(column(), NAN) == [0]


def test_a_power_is_of_the_rounded_integer() -> None:
    """So that it does not matter in how many batches events come."""
    assert added(column(scale=10, power=2), 0.25, 0.26, 1.0) == [4, 9, 100]
    assert added(column(scale=1, cap=1_000.0, power=3), 1_000.4) == [10**9]


def test_no_events_add_nothing() -> None:
    for one in STANDARD:
        assert one.integers(OutcomeBatch.of([])).shape == (0,)


@PROPERTY
@given(
    st.floats(0, 1e12) | st.just(NAN),
    st.integers(1, 10_000),
    st.floats(0.001, 40_000),
    st.integers(1, 2),
)
@example(2.5, 1, 10.0, 2)
def test_an_event_adds_the_power_of_its_clipped_rounded_steps(
    value: float, scale: int, cap: float, power: int
) -> None:
    """As Python counts it: its round() is half to even too."""
    if round(cap * scale) ** power * EVENTS_PER_CELL >= SUM_LIMIT:
        scale = power = 1
    expected = 0 if math.isnan(value) else round(min(value, cap) * scale) ** power
    assert added(column(scale, cap, power), value) == [expected]


# ---- what may be declared

MOST_STEPS = (SUM_LIMIT - 1) // EVENTS_PER_CELL


def test_a_column_may_not_reach_2_to_the_61_by_a_billion_events() -> None:
    assert column(cap=MOST_STEPS).cap == MOST_STEPS
    with pytest.raises(ValueError, match="pass 2\\^61"):
        column(cap=MOST_STEPS + 1)
    with pytest.raises(ValueError, match="column x"):
        column(scale=1_000, cap=MOST_STEPS / 1_000 + 1)


def test_the_power_counts_towards_the_limit() -> None:
    root = math.isqrt(MOST_STEPS)
    assert column(cap=root, power=2).cap == root
    with pytest.raises(ValueError, match="pass 2\\^61"):
        column(cap=root + 1, power=2)


@pytest.mark.parametrize(
    ("scale", "cap", "power"),
    [
        (0, 1.0, 1),
        (-1, 1.0, 1),
        (1, 0.0, 1),
        (1, -5.0, 1),
        (1, math.inf, 1),
        (1, NAN, 1),
        (1, 1.0, 0),
        (1, 1.0, -1),
    ],
)
def test_scale_cap_and_power_are_positive_and_finite(scale: int, cap: float, power: int) -> None:
    with pytest.raises(ValueError, match="column x"):
        column(scale, cap, power)


@PROPERTY
@given(st.integers(1, 10**9), st.floats(1e-3, 1e9), st.integers(1, 4))
def test_what_may_be_declared_stays_below_the_limit_at_its_cap(
    scale: int, cap: float, power: int
) -> None:
    try:
        declared = column(scale, cap, power)
    except ValueError:
        return
    (most,) = added(declared, math.inf)
    assert most * EVENTS_PER_CELL < SUM_LIMIT
    assert added(declared, cap, cap / 2)[1] <= most


def test_two_declarations_of_one_column_share_a_contract_whatever_computes_them() -> None:
    assert column().contract == Column("x", "ms", 1, 100.0, lambda b: b.cost_usd).contract
    assert column().contract != column(scale=2).contract
    assert column().contract != column(cap=99.0).contract
    assert column().contract != column(power=2).contract


# ---- the standard columns


def test_the_standard_columns_are_named_once() -> None:
    assert len(BY_NAME) == len(STANDARD) == 15


def test_an_empty_event_of_each_status_counts_what_is_known() -> None:
    assert standard_sums([Outcome(agent_name="a", status="failure")]) == {"executions": 1}
    assert standard_sums([Outcome(agent_name="a", status="timeout")]) == {
        "executions": 1,
        "timeouts": 1,
    }
    assert standard_sums([Outcome(agent_name="a", status="success")]) == {
        "executions": 1,
        "success": 1_000,
        "success_sq": 1_000_000,
    }


def test_a_success_adds_all_it_brings() -> None:
    outcome = Outcome(
        agent_name="a", status="success", latency_ms=1_000.0, quality_score=0.5, cost_usd=0.01
    )
    ln_latency = round(1_000 * math.log(1_000))
    ln_cost = round(1_000 * math.log(10_000))
    assert standard_sums([outcome]) == {
        "executions": 1,
        "success": 1_000,
        "success_sq": 1_000_000,
        "quality_n": 1,
        "quality": 500,
        "quality_sq": 250_000,
        "latency_n": 1,
        "latency": 10_000,
        "ln_latency": ln_latency,
        "ln_latency_sq": ln_latency**2,
        "cost_n": 1,
        "cost": 10_000,
        "ln_cost": ln_cost,
        "ln_cost_sq": ln_cost**2,
    }


def test_a_partial_success_counts_half() -> None:
    sums = standard_sums([Outcome(agent_name="a", status="partial")])
    assert sums == {"executions": 1, "success": 500, "success_sq": 250_000}


def test_a_timeout_is_a_failure_whose_latency_is_not_known() -> None:
    """What it cost is known."""
    outcome = Outcome(agent_name="a", status="timeout", latency_ms=30_000.0, cost_usd=1e-6)
    sums = standard_sums([outcome])
    assert sums == {"executions": 1, "timeouts": 1, "cost_n": 1, "cost": 1}


def test_a_failure_has_a_latency_and_a_cost() -> None:
    sums = standard_sums([Outcome(agent_name="a", status="failure", latency_ms=0.0, cost_usd=0.0)])
    assert sums == {"executions": 1, "latency_n": 1, "cost_n": 1}


def test_a_rating_alone_is_no_execution() -> None:
    """Its latency and cost came with the execution."""
    outcome = Outcome(agent_name="a", quality_score=0.0, latency_ms=5.0, cost_usd=5.0)
    assert standard_sums([outcome]) == {"quality_n": 1}


def test_a_score_of_zero_counts_and_a_missing_one_does_not() -> None:
    rated = [Outcome(agent_name="a", status="failure", quality_score=q) for q in (0.0, None, 1.0)]
    sums = standard_sums(rated)
    assert (sums["quality_n"], sums["quality"]) == (2, 1_000)


def test_what_is_absurd_counts_as_the_cap() -> None:
    sums = standard_sums(
        [Outcome(agent_name="a", status="success", latency_ms=1e300, cost_usd=1e300)]
    )
    assert sums["latency"] == 2 * 86_400_000 * 10
    assert sums["cost"] == 1_000_000_000
    assert sums["ln_latency"] == round(1_000 * math.log(2 * 86_400_000))
    assert sums["ln_cost"] == round(1_000 * math.log(1_000_000_000))


def test_less_than_a_millisecond_or_a_micro_dollar_has_a_logarithm_of_zero() -> None:
    sums = standard_sums([Outcome(agent_name="a", status="success", latency_ms=0.3, cost_usd=1e-9)])
    assert "ln_latency" not in sums
    assert "ln_cost" not in sums
    assert sums["latency"] == 3


amounts = st.none() | st.floats(0, 1e10) | st.sampled_from([0.0, 1.0, 1e-6, 0.05, 172_800_000.0])
outcomes = st.lists(
    st.builds(
        Outcome,
        agent_name=st.just("a"),
        status=st.sampled_from(["success", "partial", "failure", "timeout"]),
        latency_ms=amounts,
        cost_usd=amounts,
        quality_score=st.none() | st.floats(0, 1),
    )
    | st.builds(Outcome, agent_name=st.just("a"), quality_score=st.floats(0, 1)),
    max_size=12,
)


def count(events: Sequence[Outcome]) -> dict[str, int]:
    """Count the standard sums one event after another, without numpy."""
    sums = dict.fromkeys(BY_NAME, 0)

    def moments(name: str, steps: int) -> None:
        sums[name] += steps
        sums[f"{name}_sq"] += steps * steps

    for one in events:
        if one.quality_score is not None:
            sums["quality_n"] += 1
            moments("quality", round(one.quality_score * 1_000))
        if one.status is None:
            continue
        sums["executions"] += 1
        sums["timeouts"] += one.status == "timeout"
        moments("success", {"success": 1_000, "partial": 500}.get(one.status, 0))
        if one.latency_ms is not None and one.status != "timeout":
            milliseconds = min(one.latency_ms, 172_800_000.0)
            sums["latency_n"] += 1
            sums["latency"] += round(milliseconds * 10)
            moments("ln_latency", round(1_000 * math.log(max(1.0, milliseconds))))
        if one.cost_usd is not None:
            dollars = min(one.cost_usd, 1_000.0)
            sums["cost_n"] += 1
            sums["cost"] += round(dollars * 1_000_000)
            moments("ln_cost", round(1_000 * math.log(max(1.0, dollars * 1_000_000))))
    return {name: value for name, value in sums.items() if value}


@PROPERTY
@given(outcomes)
def test_the_sums_are_what_one_counts_by_hand(events: list[Outcome]) -> None:
    assert standard_sums(events) == count(events)


def test_many_outcomes_at_once_are_what_one_counts_by_hand() -> None:
    chance = np.random.default_rng(7)
    events = [
        Outcome(
            agent_name="a",
            status=("success", "partial", "failure", "timeout")[i % 4],
            latency_ms=float(chance.lognormal(7, 3)),
            cost_usd=float(chance.lognormal(-6, 4)),
            quality_score=float(chance.random()),
        )
        for i in range(5_000)
    ]
    assert standard_sums(events) == count(events)


@PROPERTY
@given(outcomes, st.integers(0, 12))
def test_what_an_event_adds_does_not_depend_on_its_neighbours(
    events: list[Outcome], cut: int
) -> None:
    """Nor on its place in the batch, where numpy may take another path."""
    for one in STANDARD:
        together = one.integers(OutcomeBatch.of(events)).tolist()
        halves = (OutcomeBatch.of(events[:cut]), OutcomeBatch.of(events[cut:]))
        alone = [one.integers(OutcomeBatch.of([event])).item() for event in events]
        assert together == alone
        assert together == [*one.integers(halves[0]).tolist(), *one.integers(halves[1]).tolist()]


# ---- the batch


def test_a_batch_has_nan_where_an_outcome_has_nothing() -> None:
    batch = OutcomeBatch.of(
        [
            Outcome(agent_name="a", status="success", latency_ms=1.0, cost_usd=2.0),
            Outcome(agent_name="a", status="timeout", latency_ms=3.0, cost_usd=4.0),
            Outcome(agent_name="a", quality_score=0.5, latency_ms=5.0, cost_usd=6.0),
            Outcome(agent_name="a", status="partial"),
        ]
    )
    np.testing.assert_array_equal(batch.success, [1.0, 0.0, NAN, 0.5])
    np.testing.assert_array_equal(batch.timed_out, [NAN, 1.0, NAN, NAN])
    np.testing.assert_array_equal(batch.latency_ms, [1.0, NAN, NAN, NAN])
    np.testing.assert_array_equal(batch.cost_usd, [2.0, 4.0, NAN, NAN])
    np.testing.assert_array_equal(batch.quality, [NAN, NAN, 0.5, NAN])


def test_a_batch_of_outcomes_that_teach_nothing_is_refused() -> None:
    """Pending and cancelled ones are left out before."""
    for status in ("pending", "cancelled"):
        with pytest.raises(KeyError):
            OutcomeBatch.of([Outcome(agent_name="a", status=status)])
