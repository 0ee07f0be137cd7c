"""One thing that deserves attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote

from olearn_core.schemas import Severity
from olearn_core.times import now_rfc3339

Kind = Literal[
    "calibration",
    "drift",
    "dangling",
    "unjoined",
    "fault",
    "failed_updates",
    "improvement",
    "slow_updates",
    "lag",
    "never_learning",
    "dead_letters",
    "stale_model",
]
AlertKey = tuple[str, ...]
KINDS: tuple[Kind, ...] = get_args(Kind)

FAULTS = frozenset({"calibration"})
# What one node sees of itself; of anything else every node tells the same.
OF_NODE: frozenset[Kind] = frozenset(
    {"calibration", "dangling", "unjoined", "fault", "failed_updates", "lag"}
)
CRITICAL = frozenset({"calibration", "fault", "failed_updates", "never_learning"})


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Something that began and is not over.

    :param subject: what it is about: agent, task type and component, as far as it has them
    :param since: Unix seconds
    :param sentence: what happened, from what to what
    :param tenant: whose it is, None where it is the node's
    """

    kind: Kind
    subject: tuple[str, ...]
    since: float
    sentence: str
    tenant: str | None = None

    @property
    def key(self) -> AlertKey:
        """What stays the same for as long as it lasts."""
        return (self.kind, self.tenant or "", *self.subject)

    def dedup_key(self, node: str) -> str:
        """
        Return what is the same wherever, and whenever, this is seen.

        :param node: who says so; part of it where the alert is about that node alone
        """
        parts = "/".join(quote(part, safe=":") for part in self.key)
        return f"{parts}@{node}" if self.kind in OF_NODE else parts

    @property
    def is_fault(self) -> bool:
        """Whether the service itself does wrong; what agents do is no fault of it."""
        return self.kind in FAULTS

    @property
    def severity(self) -> Severity:
        """How soon somebody should look."""
        return severity_of(self.kind)

    def __str__(self) -> str:
        return f"{self.kind} since {now_rfc3339(self.since)}: {self.sentence}"


def severity_of(kind: Kind) -> Severity:
    """Return how soon somebody should look: at once where learning or its truth is at stake."""
    return "critical" if kind in CRITICAL else "warning"
