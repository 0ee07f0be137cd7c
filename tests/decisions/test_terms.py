"""A request goes before its tenant's settings, and these before those for all."""

from __future__ import annotations

import pytest

from olearn_core.config import DecisionSettings
from olearn_core.decisions.presets import PRESETS
from olearn_core.decisions.question import Question
from olearn_core.decisions.terms import Rulebook, Rules, Terms
from olearn_core.schemas import Limits


def rules(tenant: str = "acme", **settings: object) -> Rules:
    return Rulebook(DecisionSettings.model_validate(settings)).of(tenant)


def asked(terms: Terms, **wishes: object) -> Terms:
    return terms.wished(Question("acme", "code", {}, **wishes))


def test_every_preset_is_one_of_the_configuration_too() -> None:
    for name, purpose in PRESETS.items():
        terms = rules(preset=name).terms
        assert dict(terms.weights) == purpose.weights
        assert terms.cheapest_within == purpose.cheapest_within


def test_balanced_is_what_is_used_where_nothing_is_said() -> None:
    assert rules().terms == rules(preset="balanced").terms


def test_a_tenant_overrides_and_others_do_not_notice() -> None:
    own = {
        "preset": "quality",
        "exploration_floor": 0.05,
        "mode": "apprentice",
        "default_agent": "atlas",
        "budget_usd_per_hour": 2.0,
        "limits": {"latency_ms": {"most": 900}},
    }
    settings = {"exploration_floor": 0.02, "weights": {"cost": 1}, "tenants": {"acme": own}}
    acme, other = rules("acme", **settings), rules("other", **settings)
    assert dict(acme.terms.weights) == PRESETS["quality"].weights
    assert [limit.name for limit in acme.terms.limits] == ["latency_ms"]
    assert (acme.terms.exploration_floor, acme.mode, acme.default_agent) == (
        0.05,
        "apprentice",
        "atlas",
    )
    assert acme.budget_usd_per_hour == 2.0
    assert (dict(other.terms.weights), other.terms.exploration_floor) == ({"cost": 1.0}, 0.02)
    assert (other.mode, other.default_agent, other.budget_usd_per_hour) == ("online", None, None)


def test_what_a_tenant_does_not_say_is_as_for_all() -> None:
    settings = {"exploration_floor": 0.02, "preset": "thrifty", "tenants": {"acme": {}}}
    assert rules("acme", **settings) == rules("other", **settings)


def test_a_request_goes_before_everything() -> None:
    terms = rules(tenants={"acme": {"preset": "thrifty"}}).terms
    assert asked(terms) is terms
    assert dict(asked(terms, weights={"quality": 2.0}).weights) == {"quality": 2.0}
    assert asked(terms, weights={"quality": 2.0}).cheapest_within is None
    assert asked(terms, preset="balanced") == rules().terms
    limited = asked(terms, limits=Limits.model_validate({"success": {"least": 0.5}}))
    assert limited.weights == terms.weights
    assert asked(limited, limits=Limits()).limits == ()


def test_a_margin_is_one_of_success_where_no_weights_are_given() -> None:
    terms = asked(rules().terms, cheapest_within=0.1)
    assert (dict(terms.weights), terms.cheapest_within) == ({"success": 1.0}, 0.1)


def test_within_a_margin_cost_does_not_count_twice() -> None:
    wishes = {"weights": {"success": 1.0, "cost": 1.0}, "cheapest_within": 0.1}
    assert dict(asked(rules().terms, **wishes).weights) == {"success": 1.0}
    only_cost = {"weights": {"cost": 1.0}, "cheapest_within": 0.1}
    assert dict(asked(rules().terms, **only_cost).weights) == {"success": 1.0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "cheap"},
        {"mode": "offline"},
        {"budget_usd_per_hour": 0},
        {"cheapest_within": 1.5},
        {"limits": {"latency": {"most": 1}}},
        {"limits": {"latency_ms": {"most": 0}}},
        {"limits": {"latency_ms": {"least": 5}}},
        {"limits": {"success": {"least": 0.5, "probability": 1}}},
        {"tenants": {"acme": {"preset": "thrifty", "weights": {"cost": 1}}}},
        {"tenants": {"acme": {"policy": "classic"}}},
        {"tenants": {"a\nb": {}}},
    ],
)
def test_a_mistake_in_the_settings_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        DecisionSettings.model_validate(wrong)
