"""Alerts by threshold: what of a node's vitals is beyond what the settings allow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from olearn_core.alerts.alert import Alert, AlertKey, Kind
from olearn_core.alerts.vitals import Vitals
from olearn_core.config import AlertSettings
from olearn_core.times import now_rfc3339

FEWEST_UPDATES = 5
FEWEST_RECORDS = 20


class Thresholds:
    """
    Remembers the vitals of a window and judges the newest by them.

    An alert's time is that of the look which found it first.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._window: deque[Vitals] = deque()
        self._learned: Vitals | None = None
        self._unsaved_since: float | None = None
        self._saved_at: float | None = None
        self._since: dict[AlertKey, float] = {}

    def judge(self, vitals: Vitals) -> list[Alert]:
        """Return what is beyond its threshold now."""
        self._remember(vitals)
        old = self._window[0]
        found = [
            *self._faults(vitals),
            *self._updates(old, vitals),
            *self._lag(vitals),
            *self._improvement(vitals),
            *self._dead_letters(old, vitals),
            *self._never_learning(vitals),
            *self._stale_model(vitals),
        ]
        self._since = {alert.key: alert.since for alert in found}
        return found

    def _remember(self, vitals: Vitals) -> None:
        window_seconds = self._settings.window_minutes * 60
        self._window.append(vitals)
        while len(self._window) > 2 and self._window[1].at <= vitals.at - window_seconds:
            self._window.popleft()
        if self._learned is None or vitals.samples != self._learned.samples:
            self._learned = vitals

    def _alert(self, kind: Kind, vitals: Vitals, sentence: str, *subject: str) -> Alert:
        alert = Alert(kind, subject, vitals.at, sentence)
        return Alert(kind, subject, self._since.get(alert.key, vitals.at), sentence)

    def _faults(self, vitals: Vitals) -> Iterator[Alert]:
        for subject, problem in vitals.faults.items():
            yield self._alert("fault", vitals, f"{subject}: {problem}", subject)

    def _updates(self, old: Vitals, now: Vitals) -> Iterator[Alert]:
        failed = now.failed_updates - old.failed_updates
        updates = failed + now.updates - old.updates
        most = self._settings.failed_update_share
        if updates >= FEWEST_UPDATES and failed > most * updates:
            yield self._alert(
                "failed_updates",
                now,
                f"{failed} of {updates} updates failed in the last {self._minutes}: see the log for"
                " the database's or the partition's error; nothing is lost meanwhile",
            )
        mean_ms = now.recent.mean_update_ms if now.recent else None
        if mean_ms is not None and mean_ms > self._settings.mean_update_ms:
            yield self._alert(
                "slow_updates",
                now,
                f"an update took {mean_ms:,.0f} ms on average in the last {self._minutes}: look at"
                " the database's disk and load, raise [learning] checkpoint_interval_seconds or add"
                " workers",
            )

    def _lag(self, now: Vitals) -> Iterator[Alert]:
        settings = self._settings
        if now.lag_records > settings.lag_records and now.lag_seconds > settings.lag_seconds:
            yield self._alert(
                "lag",
                now,
                f"{now.lag_records} records wait in the log, the first for"
                f" {now.lag_seconds:,.0f} s: add workers (and partitions), or see in the status"
                " what holds learning up",
            )

    def _improvement(self, now: Vitals) -> Iterator[Alert]:
        hour, before = now.hour, now.hour_before
        if hour is None or before is None or not before.score or hour.score is None:
            return
        fewest = min(hour.joined or hour.executions, before.joined or before.executions)
        change = (hour.score - before.score) / before.score
        if change < self._settings.least_improvement and fewest >= self._settings.least_outcomes:
            yield self._alert(
                "improvement",
                now,
                f"the mean success of the last hour is {hour.score:.3f}, after"
                f" {before.score:.3f} in the hour before ({change:+.0%}): see which agents fail, in"
                " drift alerts and `olearn agents list`; roll back if a model is to blame",
            )

    def _dead_letters(self, old: Vitals, now: Vitals) -> Iterator[Alert]:
        refused, received = now.dead_letters - old.dead_letters, now.received - old.received
        if refused >= FEWEST_RECORDS and refused > self._settings.dead_letter_share * received:
            yield self._alert(
                "dead_letters",
                now,
                f"{refused} of {received} records of the last {self._minutes} could not be learned:"
                " `olearn dead-letters list` tells why; mend the producer, then retry them",
            )

    def _never_learning(self, now: Vitals) -> Iterator[Alert]:
        then = self._learned
        if then is None or now.at - then.at < self._settings.never_learning_minutes * 60:
            return
        since = now_rfc3339(then.at)
        repeated = now.duplicates - then.duplicates
        records = now.received - then.received - repeated
        decisions = now.decisions - then.decisions
        if records >= FEWEST_RECORDS:
            sentence = (
                f"{records} records came since {since} that are no repeats, and none was learned:"
                " see `olearn dead-letters list`, and whether runtimes report more than `pending`"
            )
        elif not now.samples and decisions >= FEWEST_RECORDS:
            sentence = (
                f"{decisions} decisions were made since {since}, and nothing was ever learned: have"
                " the agents' runtimes report outcomes"
            )
        else:
            return
        yield self._alert("never_learning", now, sentence)

    def _stale_model(self, now: Vitals) -> Iterator[Alert]:
        """Tell where learning goes on and nobody saves versions."""
        if not now.is_unsaved:
            self._unsaved_since = None
        elif self._unsaved_since is None or now.saved_at != self._saved_at:
            self._unsaved_since = now.at
        self._saved_at = now.saved_at
        since = self._unsaved_since
        if since is not None and now.at - since > self._settings.stale_model_minutes * 60:
            saved = f"since {now_rfc3339(now.saved_at)}" if now.saved_at else "ever"
            yield self._alert(
                "stale_model",
                now,
                f"no version was saved {saved}, although outcomes are learned: see the log of the"
                " node that holds the lease model-versions, and try `olearn models save`",
            )

    @property
    def _minutes(self) -> str:
        return f"{self._settings.window_minutes:g} minutes"
