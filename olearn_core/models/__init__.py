"""What a plugin author subclasses."""

from __future__ import annotations

from olearn_core.models.estimate import Estimate, Family, Query
from olearn_core.models.options import ModelOptions, StrategyOptions
from olearn_core.models.policy import Choice, Policy, Scores, Utility, uniform
from olearn_core.models.predictor import Component, Predictor
from olearn_core.models.sums import Sums

__all__ = [
    "Choice",
    "Component",
    "Estimate",
    "Family",
    "ModelOptions",
    "Policy",
    "Predictor",
    "Query",
    "Scores",
    "StrategyOptions",
    "Sums",
    "Utility",
    "uniform",
]
