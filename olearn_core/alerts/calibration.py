"""
Are agents drawn as often as their propensities say?

Under a true law, exp(sum of s 1{drawn} - ln(1 - p + p exp(s))) over decisions is a
martingale with mean 1 for every stake s; so is the product of q(drawn) / p(drawn)
for every other law q. The first finds an agent that is favoured, the second laws
that are drawn too evenly or too greedily. A mixture of such martingales reaches
1/rate ever with a probability below `rate` (Ville's inequality; Howard et al.,
"Time-uniform Chernoff bounds via nonnegative supermartingales", 2020). So the alarm
may be looked at whenever one likes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from olearn_core.alerts.alert import Alert
from olearn_core.statistics import FloatArray

MOST_WATCHED = 1_000
FALSE_ALARM_RATE = 0.01
OPEN_LAWS = 256
STAKES = np.array([-3.0, -1.0, -0.3, -0.1, -0.03, 0.03, 0.1, 0.3, 1.0, 3.0])
POWERS = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 1.1, 1.3, 1.6, 2.0, 5.0])  # as many as stakes
NEXT_TO_NOTHING = 1e-300


class DrawnLaw(Protocol):
    """What is drawn from."""

    @property
    def agents(self) -> Sequence[str]:
        """Names, in the order of the probabilities."""

    @property
    def probabilities(self) -> FloatArray:
        """The propensities that are logged."""


@dataclass(slots=True)
class _Tally:
    """Draws from one law that are not accounted for yet."""

    tenant: str
    law: DrawnLaw
    draws: list[int]


class Calibration:
    """
    Watches the draws of each tenant and agent in this process.

    :param most_watched: tenants and their agents; those that come later are not watched
    :param false_alarm_rate: probability of any alarm ever, where all laws are true
    """

    def __init__(
        self,
        most_watched: int = MOST_WATCHED,
        false_alarm_rate: float = FALSE_ALARM_RATE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limit = math.log(most_watched / false_alarm_rate)
        self._clock = clock
        self._open: dict[int, _Tally] = {}
        self._rows: dict[tuple[str, ...], int] = {}
        self._evidence = np.zeros((most_watched, len(STAKES)))  # logs of the martingales
        self._facts = np.zeros((most_watched, 3))
        self._alarmed_at: dict[tuple[str, ...], float] = {}

    def note(self, tenant: str, law: DrawnLaw, chosen: int) -> None:
        """Note one draw; it costs next to nothing."""
        tally = self._open.get(id(law))
        if tally is None:
            if len(self._open) >= OPEN_LAWS:
                self._settle()
            tally = self._open[id(law)] = _Tally(tenant, law, [0] * len(law.agents))
        tally.draws[chosen] += 1

    def alerts(self) -> list[Alert]:
        """Return an alert for each tenant and agent whose propensities were not true."""
        self._settle()
        return [
            Alert("calibration", key[1:], at, self._sentence(key), key[0])
            for key, at in self._alarmed_at.items()
        ]

    def _settle(self) -> None:
        """Account for all draws that were noted."""
        tallies, self._open = self._open, {}
        for tally in tallies.values():
            self._add(tally)
        known = self._evidence[: len(self._rows)]
        beyond = (_log_mean(known) >= self._limit).tolist()
        for key, row in self._rows.items():
            if beyond[row]:
                self._alarmed_at.setdefault(key, self._clock())

    def _add(self, tally: _Tally) -> None:
        law, draws, tenant = tally.law.probabilities, np.array(tally.draws), tally.tenant
        decisions = int(draws.sum())
        compensator = decisions * np.log1p(law[:, None] * np.expm1(STAKES))
        gains = np.concatenate(
            [(draws @ _log_ratios(law))[None], draws[:, None] * STAKES - compensator]
        )
        drawn = np.concatenate([[draws @ law], draws])
        expected = decisions * np.concatenate([[law @ law], law])
        facts = np.stack([np.full(len(drawn), decisions), drawn, expected], axis=1)
        rows = [self._row((tenant,)), *(self._row((tenant, agent)) for agent in tally.law.agents)]
        watched = [at for at, row in enumerate(rows) if row is not None]
        places = [row for row in rows if row is not None]
        self._evidence[places] += gains[watched]
        self._facts[places] += facts[watched]

    def _sentence(self, key: tuple[str, ...]) -> str:
        return _sentence(key, *self._facts[self._rows[key]].tolist())

    def _row(self, key: tuple[str, ...]) -> int | None:
        if key not in self._rows and len(self._rows) < len(self._evidence):
            self._rows[key] = len(self._rows)
        return self._rows.get(key)


def _log_mean(logs: FloatArray) -> FloatArray:
    """Return the logarithm of each row's mean."""
    largest = logs.max(axis=1, initial=-np.inf, keepdims=True)
    mean: FloatArray = np.log(np.exp(logs - largest).mean(axis=1)) + largest[:, 0]
    return mean


def _log_ratios(law: FloatArray) -> FloatArray:
    """Return ln q/p of laws q that are evener or greedier than p, shape (agents, POWERS)."""
    logs = np.log(np.maximum(law, NEXT_TO_NOTHING))
    powers = np.exp(logs[:, None] * POWERS)
    ratios: FloatArray = logs[:, None] * (POWERS - 1.0) - np.log(powers.sum(axis=0))
    return ratios


def _sentence(key: tuple[str, ...], decisions: float, drawn: float, expected: float) -> str:
    """
    Return what happened.

    :param drawn: how often an agent was drawn; of a tenant, the propensities of those drawn
    :param expected: what that should be
    """
    found = "propensities are not true, do not evaluate by them"
    if len(key) == 1:
        return (
            f"the agents that were drawn in {decisions:.0f} decisions had a mean propensity of"
            f" {drawn / decisions:.3f}, not {expected / decisions:.3f}: {found}"
        )
    return (
        f"{key[1]} was drawn {drawn:.0f} times in {decisions:.0f} decisions, not about"
        f" {expected:.1f} times: {found}"
    )
