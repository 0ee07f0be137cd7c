"""Does what is decided here come back? From decisions that never do nothing is learned."""

from __future__ import annotations

import time
from collections.abc import Callable

from olearn_core.alerts.alert import Alert
from olearn_core.times import now_rfc3339

FEWEST_DECISIONS = 20


class Joins:
    """
    Watches whether outcomes bring the decision_id of decisions back.

    It knows this node's decisions and the outcomes of all, so a node is silent
    while the decisions of any other one come back.

    :param wait_minutes: how long an outcome may take, 0 for never to ask
    """

    def __init__(self, wait_minutes: float, clock: Callable[[], float] = time.time) -> None:
        self._wait_seconds = 60.0 * wait_minutes
        self._clock = clock
        self._joined = 0
        self._executions = 0
        self._decided = 0
        self._since: float | None = None

    def note(self) -> None:
        """Note one decision."""
        self._decided += 1
        if self._since is None:
            self._since = self._clock()

    def alerts(self, joined: int, executions: int) -> list[Alert]:
        """
        Return what is wrong.

        :param joined: outcomes of decisions, since the beginning
        :param executions: outcomes, likewise
        """
        if joined != self._joined or not self._decided:
            self._joined, self._executions = joined, executions
            self._decided, self._since = 0, None
        since = self._since
        late = since is not None and self._clock() - since >= self._wait_seconds > 0
        if since is None or not late or self._decided < FEWEST_DECISIONS:
            return []
        return [self._alert(since, executions - self._executions)]

    def _alert(self, since: float, executions: int) -> Alert:
        began = now_rfc3339(since)
        if executions > 0:
            return Alert(
                "unjoined",
                ("outcomes",),
                since,
                f"{executions} outcomes came since {began}, but none brought the decision_id of a"
                f" decision back ({self._decided} were made here): runtimes have to report it",
            )
        return Alert(
            "dangling",
            ("decisions",),
            since,
            f"{self._decided} decisions were made here since {began}, but no outcome came:"
            " see whether agents' runtimes report, and where to",
        )
