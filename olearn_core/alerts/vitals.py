"""The figures that thresholds are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olearn_core.storage.ledger import Period


@dataclass(frozen=True, slots=True)
class Vitals:
    """
    How a node, and all of learning, are at one moment.

    :param at: Unix seconds
    :param updates: that this node has saved since its start, `failed_updates` those it has not
    :param received: records that all nodes have read, ever; the next three are parts of them
    :param decisions: that this node has made since its start
    :param lag_records: of this node's partitions; `lag_seconds` is their longest wait
    :param recent: what was learned within the window of the settings, None where not known
    :param hour: what was learned in the last hour, `hour_before` in that before it
    :param saved_at: Unix seconds of the newest version, None where there is none
    :param is_unsaved: whether more was learned than it covers
    :param faults: what keeps this node from its work, by subject
    """

    at: float
    updates: int = 0
    failed_updates: int = 0
    received: int = 0
    samples: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    decisions: int = 0
    lag_records: int = 0
    lag_seconds: float = 0.0
    recent: Period | None = None
    hour: Period | None = None
    hour_before: Period | None = None
    saved_at: float | None = None
    is_unsaved: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
