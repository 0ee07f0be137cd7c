"""Options of models: what stands under `[models.NAME]` in config.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from olearn_core.statistics import Strategy, Weighting


class ModelOptions(BaseModel):
    """Options of any model; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StrategyOptions(ModelOptions):
    """Options of a predictor over sums: how it forgets."""

    strategy: Strategy = "bayesian"
    half_life_days: float = Field(default=14.0, gt=0, le=30)
    window_days: float = Field(default=30.0, gt=0, le=90)
    learning_rate: float = Field(default=0.02, gt=0, lt=1)

    @property
    def weighting(self) -> Weighting:
        """The strategy with its parameters."""
        return Weighting(self.strategy, self.half_life_days, self.window_days, self.learning_rate)
