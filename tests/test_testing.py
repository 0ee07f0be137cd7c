"""The kit that plugin authors test with: the bundled models pass, broken ones are named."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

import olearn_plugins
from olearn_core import hookimpl
from olearn_core.testing import check_plugin
from olearn_plugins import agent_selection, classic, cost, latency, quality, success

BUNDLED = [success, quality, latency, cost, agent_selection, classic]


def plugin_of(model: type) -> object:
    class Plugin:
        @hookimpl
        def olearn_register_models(self):
            return [model]

    return Plugin()


@pytest.mark.parametrize("module", BUNDLED, ids=lambda module: module.__name__)
def test_every_bundled_plugin_keeps_the_contract(module: types.ModuleType) -> None:
    check_plugin(module)


@pytest.mark.parametrize("strategy", ["bayesian", "moving_average", "exponential", "gradient"])
def test_bundled_predictors_take_every_strategy(strategy: str) -> None:
    check_plugin(latency, {"latency_prediction": {"strategy": strategy}})


def test_a_plugin_that_does_not_load_is_named() -> None:
    with pytest.raises(AssertionError, match="does not load"):
        check_plugin(plugin_of(int))


def test_a_plugin_without_models_is_named() -> None:
    with pytest.raises(AssertionError, match="provides no model"):
        check_plugin(olearn_plugins)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("mean", np.zeros(1), "wrong shape"),
        ("mean", np.nan, "not finite"),
        ("low", 2.0, "low is above"),
        ("high", -1.0, "high is below"),
        ("contrast_sd", -1.0, "negative"),
    ],
)
def test_a_broken_estimate_is_named(field: str, value: object, complaint: str) -> None:
    (sound,) = success.olearn_register_models()

    class BrokenEstimate(sound):
        def estimate(self, sums, query):
            good = super().estimate(sums, query)
            bad = value if np.ndim(value) else np.full(len(query.agents), value)
            return dataclasses.replace(good, **{field: bad})

    with pytest.raises(AssertionError, match=complaint):
        check_plugin(plugin_of(BrokenEstimate))


def test_an_estimate_that_changes_the_sums_is_named() -> None:
    (sound,) = success.olearn_register_models()

    class Greedy(sound):
        def estimate(self, sums, query):
            good = super().estimate(sums, query)
            sums.values += 1
            return good

    with pytest.raises(AssertionError, match="changes the sums"):
        check_plugin(plugin_of(Greedy))


def test_a_law_that_is_none_is_named() -> None:
    (sound,) = agent_selection.olearn_register_models()

    class Half(sound):
        def choose(self, choice, utility):
            return super().choose(choice, utility) / 2

    with pytest.raises(AssertionError, match="does not sum to 1"):
        check_plugin(plugin_of(Half))
