"""By what agents are judged: a request's wishes, over its tenant's, over those for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from olearn_core.config import DecisionSettings, TenantSettings
from olearn_core.decisions.limits import Limit, limits_of
from olearn_core.decisions.presets import PRESETS, SUCCESS, Purpose
from olearn_core.schemas import Limits, Mode, Preset


class Wishes(Protocol):
    """What one level asks for; None leaves it to the level below."""

    @property
    def weights(self) -> Mapping[Any, float] | None:
        """Weights of the components."""

    @property
    def preset(self) -> Preset | None:
        """A name for weights and margin."""

    @property
    def cheapest_within(self) -> float | None:
        """The margin in which the cheapest agent is wanted."""

    @property
    def limits(self) -> Limits | None:
        """What agents must keep."""


@dataclass(frozen=True, slots=True)
class Terms:
    """
    By what agents are judged; hashable, so that laws are kept by it.

    :param weights: of components, in a fixed order
    :param exploration_floor: share of choices spread evenly
    :param scales: latency (ms) and cost (USD) that count fully, None for the tenant's own
    """

    weights: tuple[tuple[str, float], ...]
    cheapest_within: float | None = None
    limits: tuple[Limit, ...] = ()
    exploration_floor: float = 0.0
    scales: tuple[float, float] | None = None

    def wished(self, wishes: Wishes) -> Self:
        """Return these terms with what somebody wishes otherwise."""
        terms = self
        purpose = purpose_of(wishes)
        if purpose is not None:
            weights = tuple(sorted(purpose.weights.items()))
            terms = replace(terms, weights=weights, cheapest_within=purpose.cheapest_within)
        if wishes.limits is not None:
            terms = replace(terms, limits=limits_of(wishes.limits))
        return terms


def purpose_of(wishes: Wishes) -> Purpose | None:
    """
    Return what agents are wanted for, None where nothing is said of it.

    A preset goes before weights; a margin without either is one of success, and one
    that is asked for does not weigh cost beside it.
    """
    if wishes.preset is not None:
        purpose = PRESETS[wishes.preset]
    elif wishes.weights:
        purpose = Purpose({str(component): w for component, w in wishes.weights.items()})
    elif wishes.cheapest_within is not None:
        purpose = SUCCESS
    else:
        return None
    if wishes.cheapest_within is None:
        return purpose
    return replace(_without_cost(purpose), cheapest_within=wishes.cheapest_within)


def _without_cost(purpose: Purpose) -> Purpose:
    """Return what is left to be good at where the cheapest is wanted anyway."""
    weights = {c: w for c, w in purpose.weights.items() if c != "cost"}
    return Purpose(weights) if any(weights.values()) else SUCCESS


@dataclass(frozen=True, slots=True)
class Rules:
    """How a tenant's agents are chosen, where a request does not say otherwise."""

    terms: Terms
    mode: Mode
    default_agent: str | None
    budget_usd_per_hour: float | None


class Rulebook:
    """The rules of every tenant, from the configuration."""

    def __init__(self, settings: DecisionSettings) -> None:
        terms = Terms((), exploration_floor=settings.exploration_floor).wished(settings)
        self._usual = Rules(
            terms, settings.mode, settings.default_agent, settings.budget_usd_per_hour
        )
        self._tenants = {name: self._of_tenant(own) for name, own in settings.tenants.items()}

    def of(self, tenant: str) -> Rules:
        """Return a tenant's rules."""
        return self._tenants.get(tenant, self._usual)

    def _of_tenant(self, own: TenantSettings) -> Rules:
        usual = self._usual
        terms = usual.terms.wished(own)
        if own.exploration_floor is not None:
            terms = replace(terms, exploration_floor=own.exploration_floor)
        return Rules(
            terms,
            own.mode or usual.mode,
            own.default_agent or usual.default_agent,
            own.budget_usd_per_hour or usual.budget_usd_per_hour,
        )
