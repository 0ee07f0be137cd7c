"""The table of sums: addition that no order, split, replay or compaction can change."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from olearn_core.errors import SumOverflowError
from olearn_core.statistics import (
    BASE,
    SUM_LIMIT,
    Bucket,
    Cell,
    Statistics,
    Tier,
    content_hash,
    place,
)
from olearn_core.statistics.buckets import DAY_SECONDS, HOUR_SECONDS
from olearn_core.statistics.table import scatter
from tests.promises.proof import examples

PROPERTY = examples(100, 20_000)
NOW = 20_500.4 * DAY_SECONDS
HOUR = int(NOW // HOUR_SECONDS)
COLUMNS = ("executions", "success", "ln_latency")
INT64 = st.integers(-(2**63), 2**63 - 1)


class Event(NamedTuple):
    """What one outcome adds, and where and when."""

    place: tuple[str, str, str, str]
    seconds: float
    sums: tuple[int, ...]


def cell(agent: str = "a", bucket: Bucket = BASE, context: str = "") -> Cell:
    """Return a cell of the default tenant and task."""
    return Cell("default", "default", agent, context, bucket)


def table(sums: Mapping[Cell, Sequence[int]], columns: Sequence[str] = COLUMNS) -> Statistics:
    """Return a table with these rows."""
    values = np.array(list(sums.values()), dtype=np.int64).reshape(len(sums), len(columns))
    return Statistics.of(columns, list(sums), values)


def copy(other: Statistics) -> Statistics:
    """Return a table of its own with the same sums."""
    return Statistics.of(other.columns, list(other.rows), other.values.copy())


def learn(sums: Statistics, event: Event, received: float) -> None:
    """Add an event as it is received."""
    where = Cell(*event.place, place(event.seconds, received))
    sums.add([where], np.array([event.sums], dtype=np.int64))


def assert_same(one: Statistics, other: Statistics) -> None:
    """Assert that two tables say the same, for `==` and by hash."""
    assert one == other
    assert other == one
    assert content_hash(one) == content_hash(other)


def assert_differ(one: Statistics, other: Statistics) -> None:
    """Assert that two tables do not say the same."""
    assert one != other
    assert content_hash(one) != content_hash(other)


places = st.tuples(
    st.sampled_from(["acme", "ärzte"]),
    st.sampled_from(["write", "read"]),
    st.sampled_from(["a", "b", "研究者"]),
    st.sampled_from(["", "complexity=high"]),
)
events = st.builds(
    Event,
    places,
    st.floats(NOW - 110 * DAY_SECONDS, NOW),
    st.tuples(st.just(1), st.integers(-1_000, 1_000), st.integers(0, 20_000)),
)
buckets = st.one_of(
    st.builds(Bucket, st.just(Tier.HOUR), st.integers(HOUR - 100, HOUR)),
    st.builds(Bucket, st.just(Tier.DAY), st.integers(HOUR // 24 - 100, HOUR // 24)),
    st.just(BASE),
)
cells = st.tuples(places, buckets).map(lambda drawn: Cell(*drawn[0], bucket=drawn[1]))


@st.composite
def tables(draw: st.DrawFn, columns: Sequence[str] | None = None) -> Statistics:
    """Draw a small table, rows of zeros included."""
    if columns is None:
        names = st.sampled_from([*COLUMNS, "cost", "quality"])
        columns = draw(st.lists(names, unique=True, min_size=1))
    row = st.tuples(*(st.sampled_from([0, 0, 1, -1, 7, 2**40]) for _ in columns))
    return table(draw(st.dictionaries(cells, row, max_size=6)), columns)


# ---- order, split, merge, compaction


@pytest.mark.promise("P6")
@PROPERTY
@given(st.lists(events, max_size=25), st.integers(1, 4), st.randoms(use_true_random=False))
def test_no_order_split_merge_or_moment_of_compaction_changes_the_table(
    outcomes: list[Event], shards: int, chance: random.Random
) -> None:
    """One final compaction at a time not before all others makes them equal."""
    last = NOW + 60 * DAY_SECONDS
    once = Statistics(COLUMNS)
    for event in outcomes:
        learn(once, event, last)
    once = once.compact(last)

    parts = [Statistics(COLUMNS) for _ in range(shards)]
    shuffled = chance.sample(outcomes, len(outcomes))
    for event in shuffled:
        shard = chance.randrange(shards)
        learn(parts[shard], event, chance.uniform(NOW - 50 * DAY_SECONDS, last))
        if chance.random() < 0.3:
            parts[shard] = parts[shard].compact(chance.uniform(NOW, last))
    total = Statistics(chance.sample(COLUMNS, len(COLUMNS)), rows=1)
    for part in chance.sample(parts, shards):
        total.merge(part)
        if chance.random() < 0.3:
            total = total.compact(chance.uniform(NOW, last))

    assert_same(total.compact(last), once)
    assert total.totals() == {
        name: sum(e.sums[i] for e in outcomes if not e.place[3]) for i, name in enumerate(COLUMNS)
    }


@PROPERTY
@given(st.lists(events, max_size=15), st.floats(NOW, NOW + 100 * DAY_SECONDS))
def test_placing_and_then_compacting_is_placing_late(outcomes: list[Event], later: float) -> None:
    early, late = Statistics(COLUMNS), Statistics(COLUMNS)
    for event in outcomes:
        learn(early, event, NOW)
        learn(late, event, later)
    assert_same(early.compact(later), late)
    assert late.is_compact(later)


@pytest.mark.promise("P6")
@PROPERTY
@given(st.lists(events, max_size=12), st.integers(0, 12))
def test_a_batch_at_once_is_its_events_one_by_one(outcomes: list[Event], cut: int) -> None:
    one_by_one, in_batches = Statistics(COLUMNS), Statistics(COLUMNS)
    for event in outcomes:
        learn(one_by_one, event, NOW)
    for batch in (outcomes[:cut], outcomes[cut:]):
        folded = Statistics(COLUMNS)
        for event in batch:
            learn(folded, event, NOW)
        in_batches.merge(folded)
    assert_same(one_by_one, in_batches)


@pytest.mark.promise("P6")
@PROPERTY
@given(tables(), tables(), tables())
def test_addition_commutes_and_associates(a: Statistics, b: Statistics, c: Statistics) -> None:
    """Whatever columns each has."""
    assert_same(a + b, b + a)
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + Statistics(()), a)
    assert set((a + b).columns) == {*a.columns, *b.columns}


@PROPERTY
@given(tables(), tables())
def test_adding_leaves_both_tables_as_they_were(a: Statistics, b: Statistics) -> None:
    kept_a, kept_b = copy(a), copy(b)
    total = a + b
    total.merge(total.negated())
    assert_same(a, kept_a)
    assert_same(b, kept_b)


@PROPERTY
@given(tables(), tables())
def test_the_negated_table_takes_away_what_was_added(a: Statistics, b: Statistics) -> None:
    assert_same(a + a.negated(), Statistics(COLUMNS))
    assert_same((a + b) + b.negated(), a)
    assert_same(a.negated().negated(), a)


@pytest.mark.promise("P6")
@PROPERTY
@given(tables(), tables(), st.lists(st.floats(0, NOW + 200 * DAY_SECONDS), min_size=1, max_size=4))
def test_compaction_is_addition(a: Statistics, b: Statistics, moments: list[float]) -> None:
    last = max(moments)
    together, apart = a + b, a.compact(moments[0]) + b
    for moment in moments:
        apart = apart.compact(moment)
    assert_same(apart.compact(last), together.compact(last))
    assert_same(apart.compact(last).compact(last), apart.compact(last))
    assert apart.compact(last).is_compact(last)
    assert together.compact(last).totals() == together.totals()


def test_compaction_leaves_the_table_itself_alone() -> None:
    sums = table({cell(bucket=Bucket(Tier.HOUR, HOUR - 100)): (1, 2, 3)})
    kept = copy(sums)
    assert not sums.is_compact(NOW)
    assert sums.compact(NOW) != kept
    assert_same(sums, kept)


def test_compaction_adds_hours_to_their_day_and_days_to_the_base() -> None:
    day = HOUR // 24 - 10
    old = Bucket(Tier.DAY, day - 100)
    fresh = Bucket(Tier.HOUR, HOUR)
    sums = table(
        {
            cell(bucket=Bucket(Tier.HOUR, day * 24)): (1, 10, 100),
            cell(bucket=Bucket(Tier.HOUR, day * 24 + 23)): (2, 20, 200),
            cell(bucket=Bucket(Tier.DAY, day)): (4, 40, 400),
            cell(bucket=Bucket(Tier.HOUR, day * 24 + 24)): (8, 80, 800),
            cell(bucket=old): (1, 1, 1),
            cell(bucket=BASE): (2, 2, 2),
            cell("b", bucket=old): (5, 5, 5),
            cell(bucket=fresh): (9, 9, 9),
            cell(bucket=fresh, context="domain=law"): (6, 6, 6),
        }
    )
    assert dict(sums.compact(NOW).items()) == {
        cell(bucket=Bucket(Tier.DAY, day)): {"executions": 7, "success": 70, "ln_latency": 700},
        cell(bucket=Bucket(Tier.DAY, day + 1)): {"executions": 8, "success": 80, "ln_latency": 800},
        cell(bucket=BASE): dict.fromkeys(COLUMNS, 3),
        cell("b", bucket=BASE): dict.fromkeys(COLUMNS, 5),
        cell(bucket=fresh): dict.fromkeys(COLUMNS, 9),
        cell(bucket=fresh, context="domain=law"): dict.fromkeys(COLUMNS, 6),
    }


def test_an_empty_table_compacts_adds_and_negates_to_an_empty_one() -> None:
    empty = Statistics(COLUMNS)
    assert_same(empty.compact(NOW), empty)
    assert_same(empty + empty.negated(), Statistics(("other",)))
    assert empty.is_compact(NOW)
    assert len(empty) == 0
    assert empty.totals() == dict.fromkeys(COLUMNS, 0)


# ---- what equality means


def test_rows_of_zeros_are_no_rows() -> None:
    sums = table({cell("a"): (1, 2, 3)})
    padded = table({cell("b"): (0, 0, 0), cell("a"): (1, 2, 3), cell("c"): (0, 0, 0)})
    assert_same(sums, padded)
    assert [where.agent for where, _ in padded.items()] == ["a"]


def test_a_column_of_zeros_is_no_column() -> None:
    assert_same(table({cell(): (1, 0, 0)}), table({cell(): (1,)}, ["executions"]))


def test_the_order_of_rows_and_columns_is_not_content() -> None:
    one = table({cell("a"): (1, 2), cell("b"): (3, 4)}, ["x", "y"])
    other = table({cell("b"): (4, 3), cell("a"): (2, 1)}, ["y", "x"])
    assert_same(one, other)


@pytest.mark.parametrize(
    "other",
    [
        table({cell("a"): (1, 2, 4)}),
        table({cell("b"): (1, 2, 3)}),
        table({cell(context="k=v"): (1, 2, 3)}),
        table({cell(bucket=Bucket(Tier.DAY, 0)): (1, 2, 3)}),
        table({cell()._replace(tenant="other"): (1, 2, 3)}),
        table({cell()._replace(task_type="other"): (1, 2, 3)}),
        table({cell(): (1, 2, 3)}, ["executions", "success", "latency"]),
        Statistics(COLUMNS),
    ],
)
def test_any_difference_in_content_is_a_difference(other: Statistics) -> None:
    assert_differ(table({cell(): (1, 2, 3)}), other)


def test_a_table_equals_tables_only_and_cannot_be_hashed() -> None:
    assert Statistics(()) != {}
    with pytest.raises(TypeError):
        hash(Statistics(()))


def test_a_table_shows_its_size_not_its_content() -> None:
    assert repr(table({cell(): (1, 2, 3)})) == "Statistics(1 cells, 3 columns)"
    assert table({cell(): (1, 2, 3)}).nbytes >= 24


# ---- rows


def test_a_cell_gets_a_row_once() -> None:
    sums = Statistics(COLUMNS)
    wanted = [cell("a"), cell("b"), cell("a")]
    assert sums.row_numbers(wanted).tolist() == [0, 1, 0]
    assert sums.row(cell("b")) == 1
    assert len(sums) == 2
    assert sums.values.shape == (2, 3)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1_000])
def test_a_table_grows_with_its_cells_and_keeps_their_sums(count: int) -> None:
    """By adding, by merging and by putting."""
    names = [cell(f"agent-{number}") for number in range(count)]
    values = np.arange(count * 3, dtype=np.int64).reshape(count, 3)
    added, merged, put = (Statistics(COLUMNS, rows=1) for _ in range(3))
    added.add(names, values)
    merged.merge(added)
    put.put(added)
    for sums in (added, merged, put):
        assert np.array_equal(sums.values, values)
        assert_same(sums, Statistics.of(COLUMNS, names, values))


def test_rows_are_added_to_by_number() -> None:
    sums = table({cell("a"): (1, 1, 1), cell("b"): (2, 2, 2)})
    sums.add_rows(np.array([1, 0]), np.array([[10, 0, 0], [0, 5, 0]]))
    assert_same(sums, table({cell("a"): (1, 6, 1), cell("b"): (12, 2, 2)}))


def test_taking_rows_takes_their_cells_along() -> None:
    sums = table({cell("a"): (1, 1, 1), cell("b"): (2, 2, 2), cell("c"): (3, 3, 3)})
    part = sums.take([2, 0])
    assert_same(part, table({cell("a"): (1, 1, 1), cell("c"): (3, 3, 3)}))
    part.add([cell("a")], np.array([[100, 100, 100]]))
    assert dict(sums.items())[cell("a")]["executions"] == 1
    assert_same(sums.take([]), Statistics(COLUMNS))
    assert_same(sums.take(np.array([1])), table({cell("b"): (2, 2, 2)}))


@PROPERTY
@given(tables(), st.data())
def test_the_parts_of_a_table_add_up_to_it(sums: Statistics, data: st.DataObject) -> None:
    left = data.draw(st.sets(st.sampled_from(range(len(sums))))) if len(sums) else set()
    right = set(range(len(sums))) - left
    assert_same(sums.take(sorted(left)) + sums.take(sorted(right)), sums)


# ---- columns


def test_aligned_values_have_zeros_where_there_is_no_column() -> None:
    sums = table({cell("a"): (1, 2, 3), cell("b"): (4, 5, 6)})
    assert sums.aligned(["ln_latency", "cost", "executions"]).tolist() == [[3, 0, 1], [6, 0, 4]]
    assert sums.aligned([]).shape == (2, 0)
    assert sums.aligned(COLUMNS).tolist() == sums.values.tolist()


def test_selecting_columns_keeps_the_cells() -> None:
    sums = table({cell("a"): (1, 2, 3), cell("b"): (4, 5, 6)})
    selected = sums.select(["success", "cost"])
    assert selected.columns == ("success", "cost")
    assert_same(selected, table({cell("a"): (2,), cell("b"): (5,)}, ["success"]))
    assert_same(sums.select(COLUMNS), sums)


def test_a_selection_is_a_table_of_its_own() -> None:
    sums = table({cell("a"): (1, 2, 3)})
    selected = sums.select(COLUMNS)
    selected.add([cell("a")], np.array([[1, 1, 1]]))
    assert_same(sums, table({cell("a"): (1, 2, 3)}))


@PROPERTY
@given(tables(), tables())
def test_selecting_is_linear(a: Statistics, b: Statistics) -> None:
    columns = ["success", "cost"]
    assert_same((a + b).select(columns), a.select(columns) + b.select(columns))


def test_merging_keeps_the_columns_that_were_declared() -> None:
    """Columns the other does not have count as zero; those only it has are left out."""
    sums = table({cell("a"): (1, 2)}, ["x", "y"])
    sums.merge(table({cell("a"): (5, 7), cell("b"): (6, 8)}, ["z", "y"]))
    assert sums.columns == ("x", "y")
    assert_same(sums, table({cell("a"): (1, 9), cell("b"): (0, 8)}, ["x", "y"]))


def test_the_sum_of_two_tables_has_the_columns_of_both() -> None:
    total = table({cell("a"): (1, 2)}, ["x", "y"]) + table({cell("a"): (5, 7)}, ["z", "y"])
    assert total.columns == ("x", "y", "z")
    assert_same(total, table({cell("a"): (1, 9, 5)}, ["x", "y", "z"]))


def test_a_table_merges_with_itself() -> None:
    sums = table({cell("a"): (1, 2, 3)})
    sums.merge(sums)
    assert_same(sums, table({cell("a"): (2, 4, 6)}))


# ---- put


def test_put_is_absolute() -> None:
    """What was put twice counts once, and cells that are not named stay."""
    sums = table({cell("a"): (1, 2, 3), cell("b"): (4, 5, 6)})
    delta = table({cell("b"): (7, 7, 7), cell("c"): (8, 8, 8)})
    expected = table({cell("a"): (1, 2, 3), cell("b"): (7, 7, 7), cell("c"): (8, 8, 8)})
    sums.put(delta)
    assert_same(sums, expected)
    sums.put(delta)
    assert_same(sums, expected)


def test_put_sets_columns_to_zero_that_the_other_does_not_have() -> None:
    sums = table({cell("a"): (1, 2, 3)})
    sums.put(table({cell("a"): (9,)}, ["success"]))
    assert_same(sums, table({cell("a"): (0, 9, 0)}))


@PROPERTY
@given(tables(COLUMNS), st.lists(tables(COLUMNS), max_size=3))
def test_putting_touched_cells_brings_a_table_up_to_date(
    sums: Statistics, batches: list[Statistics]
) -> None:
    """The checkpoint's delta: the absolute values of the cells that a batch touched."""
    stored = copy(sums)
    for batch in batches:
        sums.merge(batch)
        delta = sums.take([sums.row(where) for where in batch.rows])
        stored.put(delta)
        stored.put(delta)
    assert_same(stored, sums)


# ---- totals


def test_totals_count_the_cells_of_all_contexts_only() -> None:
    sums = table({cell("a"): (1, 2, 3), cell("b"): (4, 5, 6), cell("a", context="k=v"): (1, 2, 3)})
    assert sums.totals() == {"executions": 5, "success": 7, "ln_latency": 9}


def test_totals_beyond_64_bits_do_not_wrap() -> None:
    count = 9
    sums = table({cell(f"{i}"): (SUM_LIMIT, -SUM_LIMIT, 1) for i in range(count)})
    assert list(sums.totals().values()) == [count * SUM_LIMIT, -count * SUM_LIMIT, count]


# ---- integers never wrap


@PROPERTY
@given(st.integers(-SUM_LIMIT, SUM_LIMIT), INT64)
@example(SUM_LIMIT, 0)
@example(SUM_LIMIT, 1)
@example(SUM_LIMIT - 1, 1)
@example(-SUM_LIMIT, 0)
@example(-SUM_LIMIT, -1)
@example(SUM_LIMIT, 2**63 - 1)
@example(-SUM_LIMIT, -(2**63))
@example(SUM_LIMIT, -2 * SUM_LIMIT)
def test_a_sum_reaches_2_to_the_61_and_never_passes_it(before: int, added: int) -> None:
    """Beyond the limit nothing of the batch is added."""
    sums = table({cell("a"): (before, 1, 1), cell("b"): (1, 1, 1)})
    kept = copy(sums)
    batch = np.array([[5, 5, 5], [added, 0, 0], [7, 7, 7]], dtype=np.int64)
    wanted = [cell("b"), cell("a"), cell("new")]
    if abs(before + added) <= SUM_LIMIT:
        sums.add(wanted, batch)
        assert sums.values[:, 0].tolist() == [before + added, 6, 7]
    else:
        with pytest.raises(SumOverflowError):
            sums.add(wanted, batch)
        assert_same(sums, kept)


@PROPERTY
@given(st.integers(-2, 2), st.sampled_from([1, -1]))
def test_merging_and_adding_tables_stop_at_the_limit(beyond: int, sign: int) -> None:
    half = table({cell("a"): (sign * (SUM_LIMIT // 2), 0, 0)})
    rest = table({cell("a"): (sign * (SUM_LIMIT - SUM_LIMIT // 2 + beyond), 0, 0)})
    kept = copy(half)
    if beyond <= 0:
        assert (half + rest).totals()["executions"] == sign * (SUM_LIMIT + beyond)
        half.merge(rest)
        assert half.totals()["executions"] == sign * (SUM_LIMIT + beyond)
    else:
        with pytest.raises(SumOverflowError):
            half + rest
        with pytest.raises(SumOverflowError):
            half.merge(rest)
        assert_same(half, kept)


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([1, SUM_LIMIT, SUM_LIMIT - 1, SUM_LIMIT // 2 + 1, 2**63 - 1])
            | st.integers(0, 2**63 - 1),
            st.sampled_from([1, -1]),
        ),
        max_size=12,
    )
)
@example([(0, SUM_LIMIT, 1), (0, 1, 1)])
@example([(0, SUM_LIMIT, 1), (0, SUM_LIMIT, -1)])
@example([(0, SUM_LIMIT, 1)] * 8)
@example([(0, SUM_LIMIT, -1)] * 9)
@example([(1, 2**63 - 1, 1), (1, 2**63 - 1, 1), (1, 2, 1)])
def test_scattering_adds_exactly_or_refuses(rows: list[tuple[int, int, int]]) -> None:
    """Also where 64 bits wrap to a number that looks small."""
    exact = [0, 0, 0]
    for target, size, sign in rows:
        exact[target] += sign * size
    targets = np.array([target for target, _, _ in rows], dtype=np.int64)
    values = np.array([[sign * size] for _, size, sign in rows], dtype=np.int64).reshape(-1, 1)
    if max(map(abs, exact)) <= SUM_LIMIT:
        assert scatter(values, targets, 3)[:, 0].tolist() == exact
    else:
        with pytest.raises(SumOverflowError):
            scatter(values, targets, 3)


def hours_of_a_day(*values: int) -> Statistics:
    """Return a table with values in the hours of one closed day."""
    first = (HOUR // 24 - 20) * 24
    rows = {cell(bucket=Bucket(Tier.HOUR, first + i)): (v, 0, 0) for i, v in enumerate(values)}
    return table(rows)


@pytest.mark.parametrize(
    "values",
    [
        (SUM_LIMIT - 1, 1),
        (SUM_LIMIT, SUM_LIMIT, -SUM_LIMIT),
        (SUM_LIMIT, -SUM_LIMIT),
        (-SUM_LIMIT, 0),
        (SUM_LIMIT,) * 8 + (-SUM_LIMIT,) * 8,
    ],
)
def test_compaction_reaches_the_limit(values: tuple[int, ...]) -> None:
    assert hours_of_a_day(*values).compact(NOW).totals()["executions"] == sum(values)


@pytest.mark.parametrize(
    "values", [(SUM_LIMIT, 1), (-SUM_LIMIT, -1), (SUM_LIMIT,) * 8, (SUM_LIMIT,) * 16]
)
def test_compaction_stops_beyond_the_limit_and_changes_nothing(values: tuple[int, ...]) -> None:
    sums = hours_of_a_day(*values)
    kept = copy(sums)
    with pytest.raises(SumOverflowError):
        sums.compact(NOW)
    assert_same(sums, kept)


@PROPERTY
@given(st.lists(st.integers(0, 2**62 // 10), min_size=2, max_size=30))
def test_events_are_learned_up_to_the_one_that_would_pass_the_limit(added: list[int]) -> None:
    sums, learned = Statistics(["x"]), 0
    for amount in added:
        if learned + amount > SUM_LIMIT:
            with pytest.raises(SumOverflowError):
                sums.add([cell()], np.array([[amount]], dtype=np.int64))
        else:
            sums.add([cell()], np.array([[amount]], dtype=np.int64))
            learned += amount
        assert sums.totals() == {"x": learned}
