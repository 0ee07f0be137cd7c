"""Decisions are written down; nobody waits for it, and what is lost is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from olearn_core.decisions import log_writer
from olearn_core.decisions.log_writer import DecisionWriter
from olearn_core.errors import SourceError
from olearn_core.models import Utility
from olearn_core.storage.decision_log import LoggedDecision
from tests.support.services import eventually


def decision(number: int = 0) -> LoggedDecision:
    return LoggedDecision(
        nonce=f"{number:024x}",
        tenant="default",
        task_type="code",
        context={},
        agents=("ada", "bob"),
        law=(0.9, 0.1),
        scores=(0.7, 0.6),
        agent="ada",
        propensity=0.9,
        utility=Utility(),
        policy="agent_selection",
        mode="online",
        view_version=1,
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


class Sink:
    """A log that takes batches, or fails while it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failure: Exception | None = None

    async def __call__(self, batch: Sequence[LoggedDecision]) -> None:
        if self.failure is not None:
            raise self.failure
        self.batches.append([logged.nonce for logged in batch])

    @property
    def nonces(self) -> list[str]:
        return [nonce for batch in self.batches for nonce in batch]


async def test_what_is_noted_is_written_in_batches_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "BATCH", 4)
    sink = Sink()
    writer = DecisionWriter(sink)
    for number in range(10):
        writer.note(decision(number))
    assert sink.batches == [], "noting does not write"
    await writer.flush()
    assert [len(batch) for batch in sink.batches] == [4, 4, 2]
    assert sink.nonces == [decision(number).nonce for number in range(10)]


async def test_it_is_written_soon_without_being_asked() -> None:
    sink, stop = Sink(), asyncio.Event()
    writer = DecisionWriter(sink)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.write_until(stop))
        writer.note(decision())
        await eventually(lambda: sink.nonces, seconds=5)
        stop.set()


async def test_what_is_left_at_the_end_is_written_then() -> None:
    sink = Sink()
    writer = DecisionWriter(sink)
    async with AsyncExitStack() as stack:
        writer.start(stack)
        writer.note(decision())
    assert sink.nonces == [decision().nonce]


@pytest.mark.parametrize(
    "failure", [SourceError("no broker"), OperationalError("x", {}, OSError("no database"))]
)
async def test_a_log_that_is_away_loses_nothing_and_is_told_of(failure: Exception) -> None:
    sink = Sink()
    sink.failure = failure
    writer = DecisionWriter(sink)
    writer.note(decision(1))
    writer.note(decision(2))
    await writer.flush()
    assert "2 decisions wait to be written: no " in (writer.problem or "")
    sink.failure = None
    await writer.flush()
    assert (len(sink.nonces), writer.problem) == (2, None)


async def test_what_has_no_room_is_counted_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "MOST_WAITING", 3)
    sink = Sink()
    writer = DecisionWriter(sink)
    for number in range(5):
        writer.note(decision(number))
    await writer.flush()
    assert (len(sink.nonces), writer.lost) == (3, 2)
    assert "2 decisions were left out" in (writer.problem or "")


async def test_what_cannot_be_written_at_all_is_left_out_and_the_rest_goes_on() -> None:
    sink = Sink()
    writer = DecisionWriter(sink)
    sink.failure = TypeError("not to be encoded")
    writer.note(decision(1))
    await writer.flush()
    sink.failure = None
    writer.note(decision(2))
    await writer.flush()
    assert (sink.nonces, writer.lost) == ([decision(2).nonce], 1)


async def test_what_waits_can_be_looked_up() -> None:
    writer = DecisionWriter(Sink())
    writer.note(decision(7))
    assert writer.waiting(decision(7).nonce) == decision(7)
    await writer.flush()
    assert writer.waiting(decision(7).nonce) is None


async def test_without_a_log_nothing_is_kept() -> None:
    writer = DecisionWriter(None)
    writer.note(decision())
    await writer.flush()
    assert writer.waiting(decision().nonce) is None
    assert writer.problem is None
