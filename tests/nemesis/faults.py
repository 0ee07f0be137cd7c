"""The faults of a run, drawn from its seed before it begins."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.nemesis.parameters import Parameters


class Kind(StrEnum):
    """What may happen to whom."""

    KILL = "worker killed (SIGKILL)"
    TERM = "worker stopped (SIGTERM)"
    FREEZE = "worker frozen beyond its session (SIGSTOP)"
    BROKER_CUT = "broker connections cut"
    BROKER_HALF_OPEN = "broker connections half open"
    BROKER_SLOW = "broker slow"
    BROKER_LOST_ANSWER = "broker's answer lost"
    BROKER_TORN = "broker connections cut in mid-message"
    BROKER_FREEZE = "broker frozen"
    BROKER_RESTART = "broker restarted"
    BROKER_CRASH = "broker killed and started"
    DATABASE_CUT = "database connections cut"
    DATABASE_HALF_OPEN = "database connections half open"
    DATABASE_SLOW = "database slow"
    DATABASE_LOST_COMMIT = "connection lost between COMMIT and its answer"
    DATABASE_TORN = "database connections cut in mid-message"
    DATABASE_RESTART = "database restarted"
    DATABASE_CRASH = "database killed and started"

    @property
    def strikes_workers(self) -> bool:
        """Whether it strikes one worker rather than what all of them stand on."""
        return self in WORKER

    @property
    def strikes_broker(self) -> bool:
        """Whether it strikes the broker or the way to it."""
        return self in BROKER or self in DURABLE_BROKER


@dataclass(frozen=True)
class Fault:
    """
    One fault.

    :param pause_seconds: after the fault before has begun
    :param seconds: how long it lasts
    :param amount: of whatever its kind has besides, in [0, 1)
    """

    kind: Kind
    pause_seconds: float
    seconds: float
    amount: float


WORKER = {Kind.KILL: 15, Kind.TERM: 8, Kind.FREEZE: 16}
BROKER = {
    Kind.BROKER_CUT: 3,
    Kind.BROKER_HALF_OPEN: 2,
    Kind.BROKER_SLOW: 2,
    Kind.BROKER_LOST_ANSWER: 4,
    Kind.BROKER_TORN: 3,
    Kind.BROKER_FREEZE: 3,
}
DURABLE_BROKER = {Kind.BROKER_RESTART: 2, Kind.BROKER_CRASH: 2}
POSTGRES = {
    Kind.DATABASE_CUT: 5,
    Kind.DATABASE_HALF_OPEN: 4,
    Kind.DATABASE_SLOW: 3,
    Kind.DATABASE_LOST_COMMIT: 15,
    Kind.DATABASE_TORN: 4,
    Kind.DATABASE_RESTART: 4,
    Kind.DATABASE_CRASH: 5,
}


def weights(parameters: Parameters) -> dict[Kind, int]:
    """Return how often each kind comes, as far as broker and database allow it."""
    of_broker = BROKER | (DURABLE_BROKER if parameters.broker == "apache" else {})
    return WORKER | of_broker | (POSTGRES if parameters.database == "postgres" else {})


def plan(parameters: Parameters) -> list[list[Fault]]:
    """
    Draw a run's faults in rounds: each kind once, where there are enough of them, then by weight.

    A round begins with what wants a group at work, and ends with what makes it form anew.
    """
    rng = random.Random(parameters.seed)
    weighed = weights(parameters)
    kinds = [*weighed, *rng.choices(list(weighed), list(weighed.values()), k=parameters.faults)]
    kinds = kinds[: parameters.faults]
    rng.shuffle(kinds)
    faults = [_fault(kind, parameters, rng) for kind in kinds]
    rounds = [
        faults[at : at + parameters.round_size]
        for at in range(0, len(faults), parameters.round_size)
    ]
    return [sorted(faults, key=lambda fault: _turn(fault.kind)) for faults in rounds]


def _turn(kind: Kind) -> int:
    return 0 if kind == Kind.FREEZE else 1 if kind in POSTGRES else 2


def _fault(kind: Kind, parameters: Parameters, rng: random.Random) -> Fault:
    pause_seconds = parameters.pause_seconds * rng.uniform(0.5, 1.5)
    seconds = rng.uniform(0.1, 2.0)
    if kind == Kind.FREEZE:
        # A broker needs its time to give the partitions away; some wake up before.
        seconds = parameters.session_timeout_seconds + rng.uniform(3.0, 8.0)
    return Fault(kind, pause_seconds, seconds, rng.random())
