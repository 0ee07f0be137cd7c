"""A worker may die, freeze or lose its database at any point: each record still counts once."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.failpoints.lanes import Lane, Plan, lane
from tests.failpoints.teller import Teller
from tests.servers.postgres import Databases
from tests.support.services import open_database

PROOF = bool(os.environ.get("OLEARN_PROOF"))
ROUNDS = 20 if PROOF else 1
LANES = 2
# The statement that tells whose a shard is, and the answers that may get lost: never left out.
CRITICAL = ("before UPDATE shards", "during COMMIT of UPDATE shards")
SAMPLE = 1 if PROOF else 4

pytestmark = [pytest.mark.promise("P2"), pytest.mark.timeout(7_200 if PROOF else 900)]

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """A database for the recorded story, and one for each lane."""
    names = range(1 + LANES)
    if request.param == "sqlite":
        yield [f"sqlite+aiosqlite:///{tmp_path / f'{name}.db'}" for name in names]
        return
    server: Databases = request.getfixturevalue("postgres_server")
    made = [server.create_database() for _ in names]
    yield made
    for url in made:
        server.drop_database(url)


@pytest.fixture
async def lanes(urls: list[str]) -> AsyncIterator[list[Lane]]:
    """Two processors' worth of work."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(lane(url)) for url in urls[1:]]


@pytest.fixture
async def places(urls: list[str]) -> Counter[str]:
    """What a worker passes to which nothing happens, and how often."""
    plan = {"url": urls[0], "seed": 0, "name": "", "nth": 0, "mode": ""}
    async with AsyncExitStack() as stack:
        await open_database(urls[0], stack)
    teller = Teller(plan)
    await teller.tell()
    return teller.failpoints.passed


def plans(places: Counter[str], mode: str, lane: Lane) -> list[Plan]:
    """Return a failure for each place and round: at its last passing, then at any."""
    rng = random.Random(mode)
    is_sqlite = lane.database.is_sqlite
    chosen = [place for place in sorted(places) if can_fail(place, mode, is_sqlite=is_sqlite)]
    if not is_sqlite and mode != "exit":
        chosen = [p for i, p in enumerate(chosen) if i % SAMPLE == 0 or p.startswith(CRITICAL)]
    last = [Plan(0, name, places[name], mode) for name in chosen]
    later = [(seed, name) for seed in range(1, ROUNDS) for name in chosen]
    return [*last, *(Plan(s, name, rng.randint(1, places[name]), mode) for s, name in later)]


def can_fail(place: str, mode: str, *, is_sqlite: bool) -> bool:
    """Tell whether a mode is possible at a place: no error comes from where nobody is asked."""
    if mode != "exception" or place.startswith("during"):
        return mode != "exception" or not is_sqlite
    return not place.endswith("resuming")


async def lived_through(lanes: Sequence[Lane], plans: Sequence[Plan]) -> int:
    """Try every plan; return how many late workers were refused."""
    waiting = list(reversed(plans))
    failed: dict[Plan, str] = {}
    refused: list[Plan] = []

    async def work(lane: Lane) -> None:
        while waiting:
            plan = waiting.pop()
            try:
                if await lane.lived_through(plan):
                    refused.append(plan)
            except (AssertionError, TimeoutError) as error:
                failed[plan] = str(error) or repr(error)

    await asyncio.gather(*map(work, lanes))
    assert not failed, "\n".join(f"{plan}: {why}" for plan, why in failed.items())
    print(f"{len(plans)} failures of {plans[0].mode}, {len(refused)} late workers refused")
    return len(refused)


async def test_a_worker_that_dies_at_any_point_leaves_what_its_heir_can_go_on_from(
    lanes: list[Lane], places: Counter[str]
) -> None:
    await lived_through(lanes, plans(places, "exit", lanes[0]))


async def test_a_worker_that_stands_still_at_any_point_is_refused_or_harmless_when_it_wakes(
    lanes: list[Lane], places: Counter[str]
) -> None:
    refused = await lived_through(lanes, plans(places, "hang", lanes[0]))
    assert refused, "no late worker has tried to save"


async def test_a_worker_whose_database_fails_at_any_point_mends_it_by_itself(
    lanes: list[Lane], places: Counter[str]
) -> None:
    await lived_through(lanes, plans(places, "exception", lanes[0]))


@pytest.mark.parametrize("urls", KINDS[1:], indirect=True)
async def test_who_stands_still_in_a_transaction_keeps_its_heir_out_for_seconds_only(
    lanes: list[Lane], places: Counter[str]
) -> None:
    """PostgreSQL ends its session; a file that is locked stays so while its owner lives."""
    claiming, saving = (
        Plan(0, name, places[name], "hang")
        for name in (
            _place(places, "after UPDATE shards: epoch"),
            _place(places, "before COMMIT of UPDATE shards: next_offset, version"),
        )
    )
    _, is_refused = await asyncio.gather(
        lanes[0].lived_through(claiming, patiently=True),
        lanes[1].lived_through(saving, patiently=True),
    )
    assert is_refused, "a late COMMIT is no exception"


def _place(places: Counter[str], start: str) -> str:
    return min(place for place in places if place.startswith(start))
