"""A broken plugin is isolated, reported and shown; the others go on."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from olearn_core import Column, Estimate, Predictor, Query, Sums, hookimpl, standard
from olearn_core.errors import ConfigError
from olearn_core.plugins import Plugins

BUNDLED = {"success", "quality", "latency", "cost", "agent_selection", "classic"}


def predictor(name: str = "mine", **attributes: Any) -> type[Predictor[Any]]:
    def estimate(self: Any, sums: Sums, query: Query) -> Estimate:
        zeros = np.zeros(len(query.agents))
        return Estimate(zeros, zeros, zeros, zeros, zeros, zeros)

    fields = {
        "name": name,
        "unit": "share",
        "columns": (standard.EXECUTIONS,),
        "count": standard.EXECUTIONS,
        "estimate": estimate,
    }
    return type("Mine", (Predictor,), fields | attributes)


def providing(*models: Any) -> object:
    @hookimpl
    def olearn_register_models() -> Any:
        return models

    return module(olearn_register_models)


def module(hook: Any) -> ModuleType:
    """Return a module with one hook, as an entry point names one."""
    made = ModuleType("guest")
    setattr(made, hook.__name__, hook)
    return made


def refused(plugins: Plugins, plugin: object, said: str) -> None:
    info = plugins.register(plugin, "guest")
    assert info.problem is not None
    assert said in info.problem
    assert plugins.infos[-1] is info, "it is shown"
    models = plugins.models("agent_selection", {})
    assert {p.name for p in models.predictors} >= {"success_prediction", "cost_prediction"}
    assert "mine" not in {p.name for p in models.predictors}


@pytest.fixture
def plugins() -> Plugins:
    return Plugins.found()


def test_the_bundled_plugins_are_found_through_entry_points(plugins: Plugins) -> None:
    assert {info.name for info in plugins.infos} == BUNDLED
    assert all(info.problem is None and info.distribution == "olearn" for info in plugins.infos)


def test_a_disabled_plugin_is_left_out() -> None:
    plugins = Plugins.found(["cost", "classic"])
    assert {info.name for info in plugins.infos} == BUNDLED - {"cost", "classic"}
    models = plugins.models("agent_selection", {})
    assert "cost" not in models.column_names


def test_a_guest_s_model_is_used(plugins: Plugins) -> None:
    info = plugins.register(providing(predictor()), "guest")
    assert (info.problem, info.models) == (None, ["mine"])
    models = plugins.models("agent_selection", {"mine": {"strategy": "exponential"}})
    mine = next(p for p in models.predictors if p.name == "mine")
    assert mine.options.strategy == "exponential"


@pytest.mark.parametrize(
    "target", ["olearn_nowhere", "tests.test_plugins:nothing", "tests.support.broken_plugin"]
)
def test_a_plugin_that_cannot_be_imported_is_isolated(plugins: Plugins, target: str) -> None:
    info = plugins.load(EntryPoint("guest", target, "olearn"))
    assert info.problem is not None
    assert plugins.models("agent_selection", {}).policy.name == "agent_selection"


def test_a_taken_name_is_refused(plugins: Plugins) -> None:
    refused(plugins, providing(predictor("cost_prediction")), "taken")


def test_two_models_of_one_name_in_one_plugin_are_refused(plugins: Plugins) -> None:
    refused(plugins, providing(predictor(), predictor()), "taken")


def test_a_plugin_registered_twice_is_refused(plugins: Plugins) -> None:
    plugins.register(providing(predictor("one")), "guest")
    refused(plugins, providing(predictor()), "guest")


def test_a_column_that_is_declared_otherwise_is_refused(plugins: Plugins) -> None:
    other = Column("success", "share", 100, 1, lambda batch: batch.success)
    refused(plugins, providing(predictor(columns=(standard.EXECUTIONS, other))), "'success'")


def test_a_hook_with_a_typing_error_is_refused(plugins: Plugins) -> None:
    @hookimpl
    def olearn_register_model() -> Any:
        return []

    refused(plugins, module(olearn_register_model), "unknown hook")


def test_a_hook_that_raises_is_isolated(plugins: Plugins) -> None:
    @hookimpl
    def olearn_register_models() -> Any:
        raise ZeroDivisionError("oops")

    refused(plugins, module(olearn_register_models), "oops")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (object, "Predictor"),
        (7, "Predictor"),
        (type("Half", (Predictor,), {"name": "mine", "columns": (), "unit": "x"}), "estimate"),
        (predictor(count=standard.COST_N), "count"),
        (predictor(name=""), "name"),
    ],
)
def test_what_is_no_model_is_refused(plugins: Plugins, model: Any, said: str) -> None:
    refused(plugins, providing(model), said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nonsense": {}}, "nonsense"),
        ({"cost_prediction": {"half_life": 1}}, r"models\.cost_prediction.*half_life"),
        ({"cost_prediction": {"half_life_days": 31}}, "half_life_days"),
        ({"cost_prediction": {"strategy": "magic"}}, "strategy"),
    ],
)
def test_wrong_options_are_named(plugins: Plugins, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plugins.models("agent_selection", options)


def test_a_policy_that_is_not_there_is_named_with_those_that_are(plugins: Plugins) -> None:
    with pytest.raises(ConfigError, match="agent_selection"):
        plugins.models("nonsense", {})


def test_options_of_a_plugin_that_failed_do_not_keep_the_service_from_starting(
    plugins: Plugins,
) -> None:
    plugins.load(EntryPoint("guest", "olearn_nowhere", "olearn"))
    models = plugins.models("agent_selection", {"mine": {"strategy": "exponential"}})
    assert models.policy.name == "agent_selection"


def test_columns_are_shared_by_those_who_declare_them(plugins: Plugins) -> None:
    names = plugins.models("agent_selection", {}).column_names
    assert len(names) == len(set(names))
    assert {"executions", "success", "ln_latency_sq", "cost"} <= set(names)
