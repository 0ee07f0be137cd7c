"""olearn: online learning for fleets of AI agents. What a plugin author imports."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from olearn_core.errors import OlearnError
from olearn_core.events import Outcome
from olearn_core.hookspecs import hookimpl
from olearn_core.models import (
    Choice,
    Component,
    Estimate,
    ModelOptions,
    Policy,
    Predictor,
    Query,
    Scores,
    StrategyOptions,
    Sums,
    Utility,
    uniform,
)
from olearn_core.panels import Panel
from olearn_core.statistics import Column, FloatArray, OutcomeBatch, standard

if TYPE_CHECKING:
    from olearn_core.updater import ModelType as ModelType
    from olearn_core.updater import get_model_updater as get_model_updater

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "Column",
    "Component",
    "Estimate",
    "FloatArray",
    "ModelOptions",
    "OlearnError",
    "Outcome",
    "OutcomeBatch",
    "Panel",
    "Policy",
    "Predictor",
    "Query",
    "Scores",
    "StrategyOptions",
    "Sums",
    "Utility",
    "hookimpl",
    "standard",
    "uniform",
]

_LAZY = {"get_model_updater": "olearn_core.updater", "ModelType": "olearn_core.updater"}


def __getattr__(name: str) -> Any:
    """Reach the whole service only when somebody asks for it."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
