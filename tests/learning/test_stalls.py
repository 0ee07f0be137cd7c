"""Learning that does not get on is joined anew once, and else ended."""

from __future__ import annotations

import threading

import pytest

from olearn_core.errors import StalledError
from olearn_core.learning.workers.stalls import Stalls
from olearn_core.learning.workers.watchdog import Watchdog
from olearn_core.sources.source import Partition
from olearn_core.storage.database import Database
from tests.support.events import stream
from tests.support.services import eventually
from tests.support.workers import NOW, PARTITION, Rig, WrittenLog, learning

OTHER = Partition("outcomes", 1)


class StuckLog(WrittenLog):
    """A log whose client has died inside: there are records, and none comes."""

    def __init__(self, *, heals: bool) -> None:
        super().__init__()
        self.heals = heals

    async def restart(self) -> None:
        await super().restart()
        if self.heals:
            self.most = 1_000
        self.listener.assigned(list(self.partitions))


class EndlesslyFormingLog(WrittenLog):
    """A log whose group gives nobody a partition until somebody joins anew."""

    forms_for_seconds = 0.0

    def forming_seconds(self) -> float:
        return self.forms_for_seconds

    async def restart(self) -> None:
        await super().restart()
        self.forms_for_seconds = 0.0
        self.listener.assigned(list(self.partitions))


def test_who_gets_on_is_not_stuck() -> None:
    now = [0.0]
    stalls = Stalls(60, lambda: now[0])
    for second in range(0, 600, 30):
        now[0] = second
        stuck = stalls.observe({PARTITION: second, OTHER: 7})
        assert list(stuck) == ([OTHER] if second >= 60 else [])


def test_who_has_nothing_to_do_is_forgotten() -> None:
    now = [0.0]
    stalls = Stalls(60, lambda: now[0])
    stalls.observe({PARTITION: 1})
    now[0] = 50
    stalls.observe({})
    now[0] = 100
    assert not stalls.observe({PARTITION: 1})


def test_a_remedy_is_tried_once_a_place() -> None:
    now = [0.0]
    stalls = Stalls(60, lambda: now[0])
    for offset, is_new in [(1, True), (1, False), (2, True)]:
        stalls.observe({PARTITION: offset})
        now[0] += 60
        assert stalls.note_remedy(stalls.observe({PARTITION: offset})) == is_new


@pytest.mark.parametrize("heals", [True, False])
async def test_a_client_that_delivers_nothing_is_joined_anew_once(
    database: Database, heals: bool
) -> None:
    log = StuckLog(heals=heals)
    log.most = 0
    log.write(*stream(1, 50, NOW))
    rig = Rig(database, log, stall_seconds=1)
    await rig.start(None)
    log.listener = rig.worker
    assert rig.task is not None
    if heals:
        await rig.caught_up()
        await rig.stop()
    else:
        with pytest.raises(StalledError, match="outcomes/0: there are records"):
            await rig.task
    assert log.restarts == 1


async def test_a_group_that_never_shares_out_its_partitions_is_joined_anew(
    database: Database,
) -> None:
    log = EndlesslyFormingLog()
    log.write(*stream(1, 50, NOW))
    rig = Rig(database, log, stall_seconds=1)
    await rig.start(None)
    log.listener = rig.worker
    await rig.worker.revoked([PARTITION])
    log.forms_for_seconds = 2.0
    await eventually(lambda: log.restarts == 1, "it joins anew")
    await rig.caught_up()
    await rig.stop()


async def test_nobody_is_blamed_while_the_log_does_not_answer(database: Database) -> None:
    log = WrittenLog()
    log.most, log.silent = 0, True
    log.write(*stream(1, 50, NOW))
    async with learning(database, log, stall_seconds=1) as rig:
        await rig.worker.probe()
        assert rig.worker.problems["log"] == "the log does not answer"
        turns = rig.worker.turns
        await eventually(lambda: rig.worker.turns > turns + 300)
        assert log.restarts == 0
        log.silent, log.most = False, 1_000
        await rig.worker.probe()
        await rig.caught_up()
        assert not rig.worker.problems


def test_a_watchdog_bites_where_no_turn_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olearn_core.learning.workers.watchdog.TICK_SECONDS", 0.01)
    bitten = threading.Event()
    with Watchdog(lambda: 1, 0.05, bitten.set).watching():
        assert bitten.wait(5)


def test_a_watchdog_is_quiet_while_turns_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olearn_core.learning.workers.watchdog.TICK_SECONDS", 0.01)
    bitten, turns, enough = threading.Event(), [0], threading.Event()

    def turn() -> int:
        turns[0] += 1
        if turns[0] > 30:
            enough.set()
        return turns[0]

    with Watchdog(turn, 0.05, bitten.set).watching():
        assert enough.wait(5)
    assert not bitten.is_set()
