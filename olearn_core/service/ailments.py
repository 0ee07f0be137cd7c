"""What is wrong with a node."""

from __future__ import annotations

from olearn_core.alerts.watch import Alerts
from olearn_core.auth.authenticator import Authenticator
from olearn_core.decisions.faults import PluginFaults
from olearn_core.decisions.log_writer import DecisionWriter
from olearn_core.learning.shards.windows import window_span
from olearn_core.learning.views.view import View
from olearn_core.learning.workers.worker import Worker
from olearn_core.plugins import Plugins
from olearn_core.service.findings import Findings
from olearn_core.service.polling import Polling

SHORTEST_RATINGS_SECONDS = 3_600.0


class Ailments:
    """
    Gathers what the parts of a node say is wrong with them.

    :ivar warnings: what was found wrong at the start and mended
    """

    def __init__(
        self,
        view: View,
        polling: Polling,
        worker: Worker,
        authenticator: Authenticator,
        decision_writer: DecisionWriter,
        plugin_faults: PluginFaults,
        alerts: Alerts,
        findings: Findings,
        plugins: Plugins,
    ) -> None:
        self._view = view
        self._polling = polling
        self._worker = worker
        self._authenticator = authenticator
        self._decision_writer = decision_writer
        self._plugin_faults = plugin_faults
        self._alerts = alerts
        self._findings = findings
        self._plugins = plugins
        self.warnings: list[str] = []

    @property
    def faults(self) -> dict[str, str]:
        """What keeps the node from its work now, by subject."""
        subjects = self._view.problems | self._polling.problems | self._worker.problems
        subjects |= self._authenticator.problems
        subjects |= self._plugin_faults.problems
        if unwritten := self._decision_writer.problem:
            subjects["decision log"] = unwritten
        return subjects

    @property
    def sentences(self) -> list[str]:
        """What is wrong now, worst first; empty where all is well."""
        found = [f"{subject}: {problem}" for subject, problem in self.faults.items()]
        beside = [*self._short_windows(), *self._findings.sentences, *self.warnings]
        return [*found, *self._broken_plugins(), *self._alerts.faults, *beside]

    def _broken_plugins(self) -> list[str]:
        shards = self._worker.shards.values()
        broken = {name: why for shard in shards for name, why in shard.broken_columns.items()}
        columns = [f"column {name} adds nothing: {why}" for name, why in broken.items()]
        return [
            *columns,
            *(f"plugin {p.name}: {p.problem}" for p in self._plugins.infos if p.problem),
        ]

    def _short_windows(self) -> list[str]:
        """Return an alert where repeated ratings may be counted twice after a short time."""
        spans = [window_span(shard.state, "ratings") for shard in self._worker.shards.values()]
        shortest = min((span for span in spans if span is not None), default=None)
        if shortest is None or shortest >= SHORTEST_RATINGS_SECONDS:
            return []
        minutes = shortest / 60
        found = f"ratings are remembered for {minutes:.0f} min only, later repeats count again"
        return [f"{found}: raise [learning] dedup_ratings"]
