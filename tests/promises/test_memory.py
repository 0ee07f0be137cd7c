"""Memory is bounded whatever names come: beyond a cap they share a cell, and totals stay exact."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from typing import Any

import pytest

from olearn_core.config import LearningSettings
from olearn_core.statistics import OTHER
from tests.promises.by_hand import fresh_shard, learn
from tests.promises.proof import size
from tests.support.events import outcome, rfc3339
from tests.support.workers import NOW

pytestmark = pytest.mark.promise("P14")

CAPS = LearningSettings()
MOST = {
    "tenant": CAPS.most_tenants + 1,
    "task_type": CAPS.most_task_types + 1,
    "agent": CAPS.most_agents + 1,
}
GROWTH_MEGABYTES = size(100, 200)  # caches of spellings; 8 bytes for each of 8 M event ids
STORED_BYTES = 8 << 20


async def met(kind: str, names: int, events: int) -> dict[str, Any]:
    """Learn so many names in a process of its own; return how large everything is then."""
    asked = json.dumps({"kind": kind, "names": names, "events": events})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.promises.many_names", asked, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(said)
    return answer


@pytest.mark.parametrize("kind", ["tenant", "task_type", "agent"])
@pytest.mark.timeout(7_200)
async def test_names_beyond_the_cap_of_their_kind_share_one(kind: str) -> None:
    events = size(10_000, 1_000_000)
    end = await met(kind, events, events)
    assert end["executions"] == events
    assert end["rows"] == end["names"][kind] == MOST[kind]
    assert end["other"] == 1
    assert end["stored_bytes"] < STORED_BYTES


@pytest.mark.timeout(7_200)
async def test_memory_stays_bounded_where_everything_has_a_new_name(
    record_proof: Callable[[str, object], None],
) -> None:
    """Tenants, task types, agents and context values at once, and each of them again."""
    names, events = size(160_000, 1_000_000), size(160_000, 10_000_000)
    end = await met("all", names, events)
    record_proof("distinct names of each kind", names)
    record_proof("outcomes learned under new names", events)
    record_proof("peak memory of the learner, MB", round(end["peak_megabytes"]))
    assert end["executions"] == events
    assert end["rows"] <= 4 * MOST["tenant"]
    assert end["names"]["tenant"] == MOST["tenant"]
    assert end["stored_bytes"] < STORED_BYTES
    assert end["peak_megabytes"] - end["tenth_megabytes"] < GROWTH_MEGABYTES, end


def test_a_full_table_takes_no_new_cells_and_learns_on_in_those_it_has() -> None:
    """Also where each tenant keeps below the caps of its own."""
    rng = random.Random(14)
    names = [[f"{rng.randrange(20)}" for _ in range(3)] for _ in range(5_000)]
    records = [
        outcome(
            event_id=f"{number}",
            tenant_id=tenant,
            task_type=task,
            agent_name=agent,
            context={"domain": f"d{number % 40}"},
        )
        for number, (tenant, task, agent) in enumerate(names)
    ]
    shard = fresh_shard(most_cells=1_000)
    learn(shard, records)
    assert shard.table.totals()["executions"] == len(records)
    assert 1_000 <= len(shard.table) <= 1_000 + 20
    assert OTHER in {cell.agent for cell in shard.table.rows}

    known = next(cell for cell in shard.table.rows if cell.agent != OTHER and not cell.context)
    before = dict(shard.table.items())[known]["executions"]
    again = outcome(
        event_id="again",
        tenant_id=known.tenant,
        task_type=known.task_type,
        agent_name=known.agent,
        timestamp=rfc3339(NOW),
    )
    learn(shard, [again])
    assert dict(shard.table.items())[known]["executions"] == before + 1
