"""What outcomes add to the sums: exactly this, in whatever order and however they are cut."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.config import LearningSettings
from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.shard import Shard, ShardState
from olearn_core.statistics import OTHER, Statistics
from olearn_core.storage.outcome_log import LoggedRecord
from olearn_core.tokens import Decided, SigningKey, eligible_hash, sign
from tests.support import oracle
from tests.support.events import outcome, rfc3339, stream
from tests.support.services import cells_of
from tests.support.workers import NOW, PARTITION, bundled_columns

COLUMNS = bundled_columns()
KEY = SigningKey(1, b"secret")


def shard(*, require_token: bool = False, token_days: float = 30.0, **learning: object) -> Shard:
    options = LearningSettings(**learning)
    state = ShardState(
        id=1,
        partition=PARTITION,
        epoch=1,
        next_offset=0,
        version=0,
        table=Statistics([column.name for column in COLUMNS]),
        executions=DedupWindow(options.dedup_ids),
        ratings=DedupWindow(options.dedup_ratings),
    )
    tokens = {"require_token": require_token, "token_days": token_days}
    reader = Reader(PARTITION, lambda: {1: KEY}, **tokens)
    return Shard(state, COLUMNS, reader, options)


def numbered(values: Sequence[bytes], start: int = 0) -> list[LoggedRecord]:
    at_ms = int(NOW * 1_000)
    return [LoggedRecord(start + i, value, at_ms) for i, value in enumerate(values)]


def learned(
    values: Sequence[bytes], sizes: Iterator[int] | None = None, **options: object
) -> Shard:
    """Return a shard that learned these values, in slices of these sizes."""
    one = shard(**options)
    start = 0
    while start < len(values):
        size = next(sizes) if sizes else len(values)
        one.learn(numbered(values[start : start + size], start), NOW)
        start += size
    return one


def counts(one: Shard) -> dict[str, int]:
    return {name: number for name, number in one.counters().items() if number}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), days=st.sampled_from([1.0, 5.0, 120.0]))
def test_the_sums_are_those_of_a_plain_count(seed: int, days: float) -> None:
    records = stream(seed, 150, NOW, days=days)
    assert cells_of(learned(records).table) == oracle.expected(records, NOW)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), random_=st.randoms(use_true_random=False))
def test_order_and_cuts_do_not_matter(seed: int, random_: random.Random) -> None:
    records = stream(seed, 100, NOW)
    shuffled = random_.sample(records, len(records))
    cuts = iter(lambda: random_.randrange(1, 30), None)
    assert learned(shuffled, cuts).table == learned(records).table


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), parts=st.integers(1, 5))
def test_partitions_add_up_to_the_whole(seed: int, parts: int) -> None:
    """Repeats share a partition, as their key makes them."""
    records = stream(seed, 120, NOW)
    split: list[list[bytes]] = [[] for _ in range(parts)]
    for record in records:
        split[hashlib.sha256(record).digest()[0] % parts].append(record)
    total = Statistics([column.name for column in COLUMNS])
    for part in split:
        total.merge(learned(part).table)
    assert total == learned(records).table


def test_a_repeat_counts_once_in_its_batch_and_in_later_ones() -> None:
    record = outcome(event_id="same")
    one = learned([record, record, record, record], iter([2, 1, 1]))
    assert one.table.totals()["executions"] == 1
    assert counts(one) == {
        "received": 4,
        "duplicates": 3,
        "samples": 1,
        "executions": 1,
        "success_milli": 1_000,
    }


def test_the_same_id_of_another_tenant_is_another_event() -> None:
    one = learned([outcome(event_id="x"), outcome(event_id="x", tenant_id="acme")])
    assert one.table.totals()["executions"] == 2


def test_a_rating_that_comes_alone_has_a_window_of_its_own() -> None:
    execution = outcome(event_id="x")
    rating = outcome(event_id="x", status=..., quality_score=0.8)
    one = learned([execution, rating, rating, execution])
    assert one.table.totals()["executions"] == 1
    assert one.table.totals()["quality_n"] == 1
    assert counts(one)["duplicates"] == 2


def test_an_event_without_an_id_is_itself_by_its_offset() -> None:
    one = learned([outcome(), outcome()])
    assert one.table.totals()["executions"] == 2
    assert counts(one)["no_event_id"] == 2


def test_a_header_may_carry_the_id() -> None:
    one = shard()
    at = int(NOW * 1_000)
    header = [("ce_id", b"from-header")]
    one.learn([LoggedRecord(i, outcome(), at, header) for i in range(2)], NOW)
    assert one.table.totals()["executions"] == 1


@pytest.mark.parametrize("status", ["pending", "cancelled"])
def test_what_teaches_nothing_is_counted(status: str) -> None:
    one = learned([outcome(event_id="p", status=status), outcome(event_id="p")])
    assert counts(one)["not_taught"] == 1
    assert one.table.totals()["executions"] == 1, "and does not use up the id"


def test_unreadable_records_become_dead_letters_and_spare_their_neighbours() -> None:
    huge = outcome(event_id="big", output="x" * (1 << 20))
    bad = [b"", b"{", huge, outcome(latency_ms=-1), outcome(agent_name="a\nb"), b'{"status": 1}']
    one = learned([outcome(event_id="1"), *bad, outcome(event_id="2")])
    assert one.table.totals()["executions"] == 2
    assert one.tick is not None
    letters = one.tick.dead_letters
    assert [letter.offset for letter in letters] == [1, 2, 3, 4, 5, 6]
    assert [letter.pointer for letter in letters[3:]] == ["/latency_ms", "/agent_name", "/status"]
    assert letters[2].payload_head == huge[:4_096]
    assert letters[2].payload_bytes == len(huge)
    assert letters[2].payload_sha256 == hashlib.sha256(huge).hexdigest()
    assert one.tick.skipped_offsets == [1, 2, 3, 4, 5, 6]


def test_late_events_go_to_their_tier_and_are_counted() -> None:
    hours = {1.0: 0, 47.0: 0, 60.0: 1, 24.0 * 80: 1, 24.0 * 100: 2}
    records = [outcome(event_id=str(h), timestamp=rfc3339(NOW - h * 3_600)) for h in hours]
    one = learned(records)
    assert sorted(cell.bucket.tier for cell in one.table.rows) == sorted(hours.values())
    assert counts(one)["late"] == 1
    assert cells_of(one.table) == oracle.expected(records, NOW)


def test_the_future_is_clamped_beyond_five_minutes() -> None:
    near = outcome(event_id="near", timestamp=rfc3339(NOW + 299))
    far = outcome(event_id="far", timestamp=rfc3339(NOW + 10 * 86_400))
    one = learned([near, far])
    assert counts(one)["clamped"] == 1
    assert cells_of(one.table) == oracle.expected([near, far], NOW)


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time_are_learned(when: str) -> None:
    assert learned([outcome(timestamp=when)]).table.totals()["executions"] == 1


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (12, "10+"),
        (0, "0"),
        (0.3, "0.2+"),
        (5, "5+"),
        (-7, "-5+"),
        (1e300, "1e+300+"),
        (True, "true"),
        (False, "false"),
        ("law", "law"),
        (1_000, "1000+"),
        (999.999, "500+"),
        (0.1, "0.1+"),
        (0.001, "0.001+"),
    ],
)
def test_context_values_have_cells_numbers_in_bins(value: object, cell: str) -> None:
    one = learned([outcome(context={"complexity": value})])
    assert {c.context for c in one.table.rows} == {"", f"complexity={cell}"}


@pytest.mark.parametrize("value", ["", "a\nb", "\u0000"])
def test_a_context_value_that_is_no_name_has_no_cell_and_spares_its_outcome(value: str) -> None:
    one = learned([outcome(context={"domain": value, "complexity": 1})])
    assert {c.context for c in one.table.rows} == {"", "complexity=1+"}


def test_a_context_value_is_cut_to_a_name_s_length() -> None:
    one = learned([outcome(context={"domain": "x" * 500})])
    assert f"domain={'x' * 128}" in {c.context for c in one.table.rows}


def test_only_configured_context_keys_have_cells() -> None:
    record = outcome(context={"domain": "law", "team": "x", "nested": {"a": 1}})
    one = learned([record], context_keys=("team",))
    assert {cell.context for cell in one.table.rows} == {"", "team=x"}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_beyond_the_caps_names_share_one_cell_and_totals_stay(seed: int) -> None:
    rng = random.Random(seed)
    records = [
        outcome(
            event_id=str(i),
            agent_name=f"agent-{rng.randrange(10)}",
            task_type=f"task-{rng.randrange(10)}",
            context={"domain": f"domain-{rng.randrange(10)}"},
        )
        for i in range(100)
    ]
    caps = {"most_agents": 3, "most_task_types": 2, "most_context_values": 4}
    cuts = iter(lambda: rng.randrange(1, 20), None)
    one = learned(records, cuts, **caps)
    assert one.table.totals()["executions"] == 100
    agents = {cell.agent for cell in one.table.rows}
    tasks = {cell.task_type for cell in one.table.rows}
    domains = {cell.context for cell in one.table.rows} - {""}
    assert (len(agents), len(tasks), len(domains)) == (4, 3, 5)
    assert OTHER in agents & tasks
    assert f"domain={OTHER}" in domains


def test_caps_are_a_tenant_s_own() -> None:
    records = [
        outcome(agent_name=f"a{i}", tenant_id=t, event_id=f"{i}") for i in range(3) for t in "xy"
    ]
    one = learned(records, most_agents=3)
    assert OTHER not in {cell.agent for cell in one.table.rows}


def test_when_the_hour_rolls_over_the_table_is_compacted() -> None:
    one = shard()
    one.learn(numbered([outcome(event_id="then", timestamp=rfc3339(NOW))]), NOW)
    one.tick = None  # as a checkpoint leaves it
    assert not one.reset
    later = NOW + 49 * 3_600
    one.learn(numbered([outcome(event_id="now", timestamp=rfc3339(later))], 1), later)
    assert one.reset, "rows moved: all bases have to be written"
    assert sorted(cell.bucket.tier for cell in one.table.rows) == [0, 1]
    assert one.table.totals()["executions"] == 2


def test_a_batch_keeps_the_time_it_began_with() -> None:
    """So that a replay with the ledger's reference ends in the same buckets."""
    one = shard()
    one.learn(numbered([outcome(event_id="1")]), NOW)
    one.learn(numbered([outcome(event_id="2")], 1), NOW + 7_200)
    assert one.tick is not None
    assert one.tick.reference_seconds == NOW


class TestTokens:
    def token(
        self,
        key: SigningKey = KEY,
        tenant: str = "default",
        nonce: bytes = b"n" * 12,
        issued_at: float = NOW,
    ) -> str:
        eligible = eligible_hash(["ada"])
        return sign(key, Decided(nonce, 0.5, 1, int(issued_at), eligible, tenant, "code", "ada"))

    def test_an_outcome_of_a_decision_counts_as_joined_and_once(self) -> None:
        first = outcome(event_id="1", decision_id=self.token())
        second = outcome(event_id="2", decision_id=self.token())
        one = learned([first, second])
        assert counts(one)["joined"] == 1
        assert counts(one)["joined_success_milli"] == 1_000
        assert counts(one)["duplicates"] == 1

    def test_another_agent_than_the_chosen_one_is_learned_but_not_joined(self) -> None:
        one = learned([outcome(agent_name="bob", decision_id=self.token())])
        assert one.table.totals()["executions"] == 1
        assert "joined" not in counts(one)

    @pytest.mark.parametrize("kind", ["forged", "nonsense", "foreign tenant", "flipped"])
    def test_a_bad_token_is_counted_and_its_event_learned(self, kind: str) -> None:
        token = {
            "forged": self.token(SigningKey(1, b"other")),
            "nonsense": "nonsense",
            "foreign tenant": self.token(tenant="acme"),
            "flipped": self.token()[:-1] + ("A" if self.token()[-1] != "A" else "B"),
        }[kind]
        one = learned([outcome(event_id="1", decision_id=token)])
        assert counts(one)["bad_tokens"] == 1
        assert one.table.totals()["executions"] == 1
        assert "joined" not in counts(one)

    @pytest.mark.parametrize(
        ("token", "kind"),
        [
            ({"key": SigningKey(1, b"other")}, "tampered"),
            ({"key": SigningKey(9, b"other")}, "unknown_key"),
            ({"tenant": "acme"}, "wrong_tenant"),
        ],
    )
    @pytest.mark.parametrize("require_token", [False, True])
    def test_each_kind_of_refusal_is_counted_by_its_name(
        self, token: dict[str, Any], kind: str, require_token: bool
    ) -> None:
        record = outcome(event_id="1", decision_id=self.token(**token))
        one = learned([record], require_token=require_token)
        assert counts(one)[f"token_{kind}"] == 1
        assert one.table.totals()["executions"] == (not require_token)

    def test_a_second_outcome_of_a_decision_is_counted_as_replayed(self) -> None:
        token = self.token()
        one = learned([outcome(event_id=f"{i}", decision_id=token) for i in range(5)], iter([2, 3]))
        assert one.table.totals()["executions"] == 1
        assert counts(one)["token_replayed"] == 4

    def test_a_repeat_without_a_token_is_no_replayed_decision(self) -> None:
        assert "token_replayed" not in counts(learned([outcome(event_id="1")] * 3))

    @pytest.mark.parametrize("require_token", [False, True])
    def test_an_outcome_of_a_decision_that_is_too_old_is_a_dead_letter(
        self, require_token: bool
    ) -> None:
        """It may have been counted long ago, and nobody would remember."""
        old, young = (
            self.token(nonce=bytes([days]) * 12, issued_at=NOW - days * 86_400) for days in (31, 29)
        )
        records = [outcome(decision_id=old), outcome(decision_id=young)]
        one = learned(records, require_token=require_token)
        assert one.table.totals()["executions"] == 1
        assert counts(one)["token_late"] == 1
        assert one.tick is not None
        (letter,) = one.tick.dead_letters
        assert (letter.pointer, letter.offset) == ("/decision_id", 0)
        assert "token_days" in letter.reason

    def filled(self, part: dict[str, object]) -> Shard:
        """A shard that has forgotten the first outcomes of a part, which came at NOW."""
        one = shard(dedup_ids=1_000, dedup_ratings=1_000)
        for hour in range(3):
            events = [outcome(event_id=f"{hour}-{i}", **part) for i in range(600)]
            one.learn(numbered(events, 600 * hour), NOW + 3_600 * hour)
            one.state.counters.update(one.tick.counts if one.tick else {})
            one.tick = None
        return one

    def late(self, one: Shard, came_at: float, issued_at: float, part: dict[str, object]) -> bool:
        token = self.token(issued_at=issued_at)
        value = outcome(event_id="token", decision_id=token, **part)
        one.learn([LoggedRecord(one.next_offset, value, int(came_at * 1e3))], came_at)
        return counts(one).get("token_late", 0) > 0

    @pytest.mark.parametrize("part", [{}, {"status": ..., "quality_score": 0.5}])
    def test_a_decision_older_than_what_is_remembered_of_its_part_is_late(
        self, part: dict[str, object]
    ) -> None:
        assert self.late(self.filled(part), NOW + 9_000, NOW - 60, part)

    def test_each_part_has_a_memory_of_its_own(self) -> None:
        rating = {"status": ..., "quality_score": 0.5}
        assert not self.late(self.filled({}), NOW + 9_000, NOW - 60, rating)

    def test_a_decision_since_then_is_not(self) -> None:
        assert not self.late(self.filled({}), NOW + 9_000, NOW + 8_000, {})

    def test_nor_one_whose_outcome_lies_before_it_in_a_log_that_is_read_anew(self) -> None:
        assert not self.late(self.filled({}), NOW - 30, NOW - 60, {})

    def test_a_rating_of_the_day_after_counts_once_beside_its_execution(self) -> None:
        token = self.token(issued_at=NOW - 86_400)
        execution = outcome(event_id="1", decision_id=token)
        rating = {"status": ..., "quality_score": 0.8, "decision_id": token}
        records = [execution, *(outcome(event_id=f"r{i}", **rating) for i in range(3))]
        one = learned(records, iter([1, 2, 1]))
        assert one.table.totals()["executions"] == 1
        assert (one.table.totals()["quality_n"], one.table.totals()["quality"]) == (1, 800)

    @pytest.mark.parametrize("token", [..., "nonsense"])
    def test_where_tokens_are_required_others_are_dead_letters(self, token: object) -> None:
        one = learned([outcome(decision_id=token)], require_token=True)
        assert one.table.totals()["executions"] == 0
        assert one.tick is not None
        assert [letter.pointer for letter in one.tick.dead_letters] == ["/decision_id"]

    def test_refused_tokens_do_not_count_as_unreadable(self) -> None:
        """A storm of them would pause learning."""
        one = shard(require_token=True)
        assert one.learn(numbered([outcome(), outcome(decision_id="x"), b"{"]), NOW) == 1
        assert one.tick is not None
        assert len(one.tick.dead_letters) == 3

    def test_where_tokens_are_required_good_ones_are_learned(self) -> None:
        one = learned([outcome(decision_id=self.token())], require_token=True)
        assert one.table.totals()["executions"] == 1


def test_nested_context_values_are_left_out_and_counted() -> None:
    one = learned([outcome(context={"domain": {"deep": 1}, "complexity": "low", "list": [1]})])
    assert counts(one)["deeper_values"] == 2
    assert {cell.context for cell in one.table.rows} == {"", "complexity=low"}
