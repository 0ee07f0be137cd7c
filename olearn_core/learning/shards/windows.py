"""How far back repeats are noticed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from olearn_core.learning.shards.dedup import DedupWindow
from olearn_core.learning.shards.shard import ShardState

Part = Literal["executions", "ratings"]
PARTS: Sequence[Part] = ("executions", "ratings")


def window_of(state: ShardState, part: Part) -> DedupWindow:
    """Return the window of a part."""
    return state.executions if part == "executions" else state.ratings


def window_span(state: ShardState, part: Part) -> float | None:
    """Return for how many seconds back every id is remembered, None where all ever seen are."""
    window = window_of(state, part)
    if len(window) >= admitted(state, part):
        return None
    return max(0.0, time.time() - (window.watermark or time.time()))


def admitted(state: ShardState, part: Part) -> int:
    """Return how many ids of a part a shard has ever let in."""
    executions = state.counters["executions"]
    return executions if part == "executions" else state.counters["samples"] - executions
