"""The smallest model: declare columns, turn sums into an estimate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Literal, TypeVar

from olearn_core.models.estimate import Estimate, Query
from olearn_core.models.options import StrategyOptions
from olearn_core.models.sums import Sums
from olearn_core.panels import Panel, default_panel
from olearn_core.statistics import Column

Component = Literal["success", "quality", "latency", "cost"]
OptionsT = TypeVar("OptionsT", bound=StrategyOptions)


class Predictor(ABC, Generic[OptionsT]):
    """
    A view on the table of sums. It has no learning code at all.

    The core folds the declared columns, saves, merges, forgets and versions them.

    :cvar name: model type, as in `[models.NAME]` and the API
    :cvar unit: of the estimates
    :cvar component: which part of a utility it estimates, None for none
    :cvar reads_context: whether `estimate` looks at the query's context
    :cvar panel: how a dashboard shows it, None for what its unit and component suggest
    :cvar columns: what it needs summed; `count` is the one that counts its events
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    component: ClassVar[Component | None] = None
    reads_context: ClassVar[bool] = False
    panel: ClassVar[Panel | None] = None
    columns: ClassVar[tuple[Column, ...]]
    count: ClassVar[Column]
    Options: type[StrategyOptions] = StrategyOptions

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    @property
    def shown_as(self) -> Panel:
        """The panel that it declares, or one that fits."""
        return self.panel or default_panel(self.name, self.unit, self.component)

    @abstractmethod
    def estimate(self, sums: Sums, query: Query) -> Estimate:
        """
        Return what each agent of the query would bring.

        Pure: the same sums and query give the same estimate. Costly parts that
        do not depend on the query belong in `sums.once`.
        """
