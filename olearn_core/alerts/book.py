"""The book of alerts: which are firing, which were resolved lately."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from olearn_core.alerts.alert import Alert, AlertKey
from olearn_core.schemas import AlertBody
from olearn_core.times import now_rfc3339

MOST_RECENT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """
    An alert with what the book knows of it.

    :param id: the same from firing to resolved
    :param resolved_at: Unix seconds, None while it is firing
    """

    id: str
    alert: Alert
    resolved_at: float | None = None

    def body(self, node: str) -> AlertBody:
        """Return it as people and programs are told."""
        alert, over = self.alert, self.resolved_at
        return AlertBody(
            id=self.id,
            dedup_key=alert.dedup_key(node),
            kind=alert.kind,
            severity=alert.severity,
            state="firing" if over is None else "resolved",
            tenant=alert.tenant,
            subject=list(alert.subject),
            message=alert.sentence,
            since=now_rfc3339(alert.since),
            resolved_at=None if over is None else now_rfc3339(over),
            node=node,
        )

    def concerns(self, tenant: str | None) -> bool:
        """Tell whether a tenant may know of it: its own alerts and the node's; None: all."""
        return tenant is None or self.alert.tenant in (None, tenant)


class AlertBook:
    """
    Keeps the alerts of a node from one look to the next.

    :ivar firing: by key, in the order of the last look
    :ivar recent: resolved ones, newest first
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.firing: Mapping[AlertKey, Entry] = {}
        self.recent: deque[Entry] = deque(maxlen=MOST_RECENT)

    def update(self, found: Sequence[Alert]) -> list[Entry]:
        """Take down what was found; return what has begun and what is over since the last time."""
        before = self.firing
        self.firing = {
            alert.key: replace(before[alert.key], alert=alert)
            if alert.key in before
            else Entry(_new_id(alert), alert)
            for alert in found
        }
        begun = [entry for key, entry in self.firing.items() if key not in before]
        now = self._clock()
        over = [replace(e, resolved_at=now) for key, e in before.items() if key not in self.firing]
        self.recent.extendleft(over)
        return [*begun, *over]


def _new_id(alert: Alert) -> str:
    return f"{alert.kind}-{os.urandom(6).hex()}"
