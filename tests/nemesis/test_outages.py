"""A broker or a database that is away for a while: said at once, borne quietly, then forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.nemesis.fleet import last_words
from tests.nemesis.outages import Outage, Patient, patient
from tests.nemesis.parameters import Parameters

PROOF = os.environ.get("OLEARN_PROOF") == "1"
SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 120.0) if PROOF else (4.0,)
SMALL = Parameters(events=1_000, events_per_second=500)

MOST_DEGRADED_SECONDS = 5.0
MOST_CPU_SHARE = 0.05
MOST_RESUMED_SECONDS = 10.0
MOST_GROWN_BYTES = 64 << 20

Record = Callable[[str, object], None]
Ways = dict[str, tuple[Callable[[], None], Callable[[], None]]]

pytestmark = [
    pytest.mark.alone,
    pytest.mark.postgres,
    pytest.mark.timeout(1_800 if PROOF else 900),
]


async def _borne(service: Patient, ways: Ways) -> list[Outage]:
    try:
        return [
            await service.bears(kind, begin, end, seconds)
            for seconds in SECONDS
            for kind, (begin, end) in ways.items()
        ]
    except BaseException:
        print(*last_words(service.stage.folder), sep="\n")
        raise


def _said_and_forgotten(outages: list[Outage], record_proof: Record) -> None:
    for outage in outages:
        print(outage)
    record_proof("outages", [asdict(outage) for outage in outages])
    assert max(outage.degraded_seconds for outage in outages) <= MOST_DEGRADED_SECONDS
    assert max(outage.cpu_share for outage in outages) <= MOST_CPU_SHARE
    assert max(outage.resumed_seconds for outage in outages) <= MOST_RESUMED_SECONDS
    assert max(outage.grown_bytes for outage in outages) <= MOST_GROWN_BYTES


@pytest.mark.promise("P8")
async def test_a_broker_that_is_away_loses_nothing_and_costs_nothing(
    tmp_path: Path, record_proof: Record
) -> None:
    """Refused, swallowed or frozen: degraded within 5 s, no spinning, learning within 10 s."""
    async with patient(SMALL, tmp_path) as service:
        stage, proxy = service.stage, service.stage.broker_proxy
        ways: Ways = {
            "broker connections cut": (proxy.cut, proxy.heal),
            "broker connections half open": (proxy.half_open, proxy.heal),
            "broker frozen": (stage.freeze_broker, stage.thaw_broker),
        }
        outages = await _borne(service, ways)
    _said_and_forgotten(outages, record_proof)


@pytest.mark.promise("P9")
async def test_a_database_that_is_away_loses_nothing_and_answers_go_on(
    tmp_path: Path, record_proof: Record
) -> None:
    """Learning waits, in bounded memory; the last model is there for whoever asks."""
    async with patient(SMALL, tmp_path) as service:
        server, proxy = service.stage.database, service.stage.database_proxy
        assert server is not None
        assert proxy is not None
        ways: Ways = {
            "database connections cut": (proxy.cut, proxy.heal),
            "database connections half open": (proxy.half_open, proxy.heal),
            "database stopped": (server.stop, server.start),
        }
        outages = await _borne(service, ways)
    _said_and_forgotten(outages, record_proof)
    assert all(outage.answers for outage in outages)
