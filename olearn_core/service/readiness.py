"""May this node have traffic? Each thing that it takes, and how that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from olearn_core.service.service import RunState, Service
from olearn_core.times import rfc3339


class Check(NamedTuple):
    """
    One thing that traffic takes.

    :param detail: how it is, in words
    """

    is_well: bool
    detail: str


def checks(service: Service) -> Mapping[str, Check]:
    """Return what is checked, by name."""
    return {
        "service": Check(service.state == RunState.RUNNING, service.state.value),
        "database": _database(service),
        "source": _source(service),
        "models": _models(service),
    }


def is_ready(service: Service) -> bool:
    """Whether all is well that traffic takes."""
    return all(check.is_well for check in checks(service).values())


def _database(service: Service) -> Check:
    problem = service.polling.problems.get("database")
    if problem is None:
        return Check(True, "answers")
    return Check(service.settings.api.ready_without_database, problem)


def _source(service: Service) -> Check:
    if not service.learns:
        return Check(True, "this node does not learn")
    mine, loaded = len(service.worker.partitions), len(service.worker.shards)
    if not service.worker.loaded.is_set():
        return Check(False, f"{loaded} of {mine} assigned partitions are loaded")
    return Check(True, f"{loaded} partitions are assigned and loaded")


def _models(service: Service) -> Check:
    names = [predictor.name for predictor in service.models.predictors]
    if not service.view.as_of:
        return Check(False, "the sums were not read yet")
    return Check(True, f"{', '.join(names)} as of {rfc3339(service.view.as_of)}")
