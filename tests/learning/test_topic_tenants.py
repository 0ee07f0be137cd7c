"""A topic may bring outcomes of the tenants that are allowed to it, and of no others."""

from __future__ import annotations

import time

import pytest

from olearn_core.config import LearningSettings
from olearn_core.errors import ForbiddenError
from olearn_core.learning.shards.cells import CellFinder
from olearn_core.learning.shards.reading import Reader
from olearn_core.learning.shards.tick import Tick
from olearn_core.learning.shards.topic_tenants import TopicTenants
from olearn_core.sources.intake import Intake
from olearn_core.statistics import Statistics
from olearn_core.storage.outcome_log import LoggedRecord
from tests.support.events import outcome
from tests.support.workers import PARTITION, bundled_columns


def read(tenants: TopicTenants | None, *values: bytes) -> tuple[list[str], dict[int, str | None]]:
    """Return the tenants of what is learned, and those of dead letters by offset."""
    now = time.time()
    finder = CellFinder(Statistics([c.name for c in bundled_columns()]), LearningSettings(), now)
    tick = Tick(0, now)
    records = [LoggedRecord(i, value, int(now * 1_000)) for i, value in enumerate(values)]
    learned = Reader(PARTITION, dict, require_token=False, tenants=tenants).read(
        records, finder, tick
    )
    assert [letter.offset for letter in tick.dead_letters] == tick.skipped_offsets
    return [o.tenant for o in learned.outcomes], {x.offset: x.tenant for x in tick.dead_letters}


ACME, DEFAULT, NAMELESS = outcome(tenant_id="acme"), outcome(tenant_id="default"), outcome()
BROKEN = b'{"tenant_id": "acme", "agent_name": 3}'


def test_by_default_every_tenant_comes_over_every_topic() -> None:
    taught, letters = read(None, ACME, DEFAULT, NAMELESS, BROKEN, b"{")
    assert taught == ["acme", "default", "default"]
    assert letters == {3: "acme", 4: None}


def test_a_list_limits_the_topic_and_others_letters_are_for_operators() -> None:
    taught, letters = read(TopicTenants(["acme", "initech"]), ACME, DEFAULT, NAMELESS, BROKEN)
    assert taught == ["acme"]
    assert letters == {1: None, 2: None, 3: "acme"}


def test_a_single_tenant_need_not_be_named_and_has_all_the_letters() -> None:
    taught, letters = read(TopicTenants(["acme"]), NAMELESS, ACME, DEFAULT, BROKEN, b"{")
    assert taught == ["acme", "acme"]
    assert letters == {2: "acme", 3: "acme", 4: "acme"}


@pytest.mark.parametrize(
    ("record", "tenant"),
    [
        (b'{"data": {"tenant_id": "acme"}, "specversion": "1.0"}', "acme"),
        (b'{"agent_name": "\\u0000", "status": "success", "tenant_id": "acme"}', "acme"),
        (b'{"status": "success"}', "default"),
        (b'{"tenant_id": "' + b"a" * 129 + b'"}', None),
        (b'{"tenant_id": "a\\u0000"}', None),
        (b'{"tenant_id": ["acme"]}', None),
        (b"[1]", None),
        (b"", None),
        (b'{"tenant_id": "\xff"}', None),
    ],
)
def test_whose_a_record_is_that_cannot_be_learned(record: bytes, tenant: str | None) -> None:
    assert read(None, record) == ([], {0: tenant})


def test_names_are_compared_in_their_composed_form() -> None:
    taught, _ = read(TopicTenants(["büro", "acme"]), outcome(tenant_id="bu\u0308ro"))
    assert len(taught) == 1


async def test_over_http_such_outcomes_are_refused_at_once() -> None:
    class Nowhere:
        async def publish(self, key: str, value: bytes) -> int:
            raise AssertionError(key)

    with pytest.raises(ForbiddenError, match="takes no outcomes of tenant 'initech'"):
        await Intake(Nowhere(), ["acme"]).accept(NAMELESS, "initech")
