"""What plugins do wrong when they are asked; decisions are made without them meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from olearn_core.errors import PluginError
from olearn_core.models import Estimate, Query

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOGNORMAL = ("latency", "cost")
PARAMETERS = ("mu", "sigma", "mu_sd")


class PluginFaults:
    """What each plugin did wrong when it was last asked; one that does well again is forgotten."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by subject."""
        return {f"plugin {name}": why for name, why in self._found.items()}

    def tried(self, name: str, ask: Callable[[], T], instead: str) -> T | None:
        """
        Return what a plugin answers, None where it fails.

        :param instead: what is done then
        """
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001 - a stranger's code; it is shown
            self._note(name, error, instead)
            return None
        self._found.pop(name, None)
        return answer

    def _note(self, name: str, error: Exception, instead: str) -> None:
        """Remember what a plugin did wrong; it is logged once."""
        why = f"{type(error).__name__}: {error}; {instead}"
        if self._found.get(name) != why:
            logger.error("plugin %s: %s", name, why, exc_info=error)
        self._found[name] = why


def sound(estimate: Estimate, component: str, query: Query) -> Estimate:
    """
    Return an estimate that decisions can stand on.

    :raises PluginError: where it cannot be one of this component of the query's agents
    """
    for name in ("mean", "sd", "contrast_sd", "effective_n"):
        values = np.asarray(getattr(estimate, name))
        if values.shape != (len(query.agents),) or not np.isfinite(values).all():
            raise PluginError(f"{name} is not a finite number for each of the agents")
    missing = [name for name in PARAMETERS if name not in estimate.parameters]
    if component in LOGNORMAL and missing:
        raise PluginError(f"an estimate of {component} needs the parameters {', '.join(missing)}")
    return estimate
