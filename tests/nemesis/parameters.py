"""How long, how wild and on what a nemesis run is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.support.services import GROUP_SECONDS


@dataclass(frozen=True)
class Parameters:
    """
    One run: workers learn from a live producer while faults strike.

    :param events: how many the producer sends at least; it sends on while faults strike
    :param faults: how many, drawn from the seed
    :param events_per_second: the producer's pace
    :param round_size: faults that come together, upon workers that have learned meanwhile
    :param pause_seconds: between two faults of a round, on average
    :param calm_seconds: how long a round waits at most for workers to learn
    """

    broker: Literal["tansu", "apache"] = "tansu"
    database: Literal["sqlite", "postgres"] = "postgres"
    workers: int = 3
    partitions: int = 4
    events: int = 300_000
    faults: int = 100
    seed: int = 1
    session_timeout_seconds: float = 6.0
    events_per_second: int = 3_000
    round_size: int = 16
    pause_seconds: float = 0.4
    calm_seconds: float = GROUP_SECONDS
    duplicate_share: float = 0.025
    poison_share: float = 0.005
    catch_up_seconds: float = 120.0
