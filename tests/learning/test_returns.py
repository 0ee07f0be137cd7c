"""When a decision counts as dangling: once its time is over, and from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from olearn_core.learning.shards.cells import JOINED_CONTEXT
from olearn_core.learning.views.returns import ReturnCounts, Returns, default_outcome
from olearn_core.plugins import Plugins
from olearn_core.statistics import Cell, Statistics, place

HOUR, DAY = 3_600, 86_400
MADE_AT = 488_890 * HOUR


class Tables:
    """The tables of one shard, compacted as its learner would have by now."""

    def __init__(self, column: str, context: str, counts: Sequence[int]) -> None:
        agents = ("ada", "bob")[: len(counts)]
        made = place(MADE_AT, MADE_AT)
        cells = [Cell("default", "code", agent, context, made) for agent in agents]
        self.table = Statistics.of((column,), cells, np.array(counts, dtype=np.int64)[:, None])

    def tables(self) -> Mapping[int, Statistics]:
        return {1: self.table}

    def compact(self, now: float) -> None:
        self.table = self.table.compact(now)


def returns_at(now: float, wait: float, decided: Tables, joined: Tables) -> Returns:
    return ReturnCounts(joined, decided, wait).of("default", now)  # type: ignore[arg-type]


@pytest.mark.parametrize("wait_hours", [0, 0.5, 24, 47.5, 48, 60, 24 * 10])
def test_what_is_over_stays_over_whatever_is_compacted(wait_hours: float) -> None:
    """Hours become days meanwhile; of a day the last hour may have to be waited for."""
    decided, joined = Tables("decided", "", [5]), Tables("joined", JOINED_CONTEXT, [3])
    wait = wait_hours * HOUR
    over_at = None
    for now in range(MADE_AT, MADE_AT + 14 * DAY, HOUR // 2):
        decided.compact(now)
        dangling = int(returns_at(now, wait, decided, joined).dangling.sum())
        assert dangling in (0, 2)
        assert over_at is None or dangling == 2, f"{(now - MADE_AT) / HOUR} h later"
        over_at = now if over_at is None and dangling else over_at
    assert over_at is not None
    assert 0 <= over_at - (MADE_AT + HOUR + wait) < (HOUR if wait_hours < 47 else DAY)


def test_agents_are_told_apart_and_none_is_below_nothing() -> None:
    """Where decisions are missing in their log, more come back than were made."""
    decided, joined = Tables("decided", "", [5, 1]), Tables("joined", JOINED_CONTEXT, [2, 4])
    found = returns_at(MADE_AT + 2 * HOUR, 0, decided, joined)
    assert dict(zip(found.agents, found.dangling.tolist(), strict=True)) == {"ada": 3, "bob": 0}
    assert found.dangling_share == 0.5


def test_nothing_decided_is_no_share() -> None:
    nothing = Tables("decided", "", [])
    found = returns_at(MADE_AT, 0, nothing, Tables("joined", JOINED_CONTEXT, []))
    assert (len(found.decided), found.dangling_share) == (0, None)


def test_a_default_outcome_says_its_success_and_nothing_else() -> None:
    columns = Plugins.found().models("agent_selection", {}).columns
    added = dict(
        zip((c.name for c in columns), default_outcome(columns, 0.25).tolist(), strict=True)
    )
    said = {"executions": 1, "success": 250, "success_sq": 62_500}
    assert {name: value for name, value in added.items() if value} == said
