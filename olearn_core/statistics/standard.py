"""
The columns of the bundled predictors; a plugin that declares the same shares them.

Squares are squares of the rounded integer, so that every sum is a sum of
integers whatever the order of events.
"""

from __future__ import annotations

import numpy as np

from olearn_core.statistics.arrays import FloatArray
from olearn_core.statistics.batches import OutcomeBatch
from olearn_core.statistics.columns import Column

LATENCY_CAP_MS = 2 * 86_400_000.0
COST_CAP_USD = 1_000.0
MICRO_USD = 1_000_000


def _present(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), np.nan, 1.0)


def _ln(values: FloatArray) -> FloatArray:
    return np.log(np.maximum(1.0, values))


def _success(batch: OutcomeBatch) -> FloatArray:
    return batch.success


def _quality(batch: OutcomeBatch) -> FloatArray:
    return batch.quality


def _latency(batch: OutcomeBatch) -> FloatArray:
    return batch.latency_ms


def _cost(batch: OutcomeBatch) -> FloatArray:
    return batch.cost_usd


def _ln_latency(batch: OutcomeBatch) -> FloatArray:
    return _ln(np.minimum(batch.latency_ms, LATENCY_CAP_MS))


def _none(batch: OutcomeBatch) -> FloatArray:
    return np.full(len(batch.success), np.nan)


def _ln_cost(batch: OutcomeBatch) -> FloatArray:
    return _ln(np.minimum(batch.cost_usd, COST_CAP_USD) * MICRO_USD)


LN_LATENCY_CAP = float(np.log(LATENCY_CAP_MS)) + 0.001
LN_COST_CAP = float(np.log(COST_CAP_USD * MICRO_USD)) + 0.001

EXECUTIONS = Column("executions", "events", 1, 1, lambda b: _present(b.success))
SUCCESS = Column("success", "share", 1_000, 1, _success)
SUCCESS_SQ = Column("success_sq", "share", 1_000, 1, _success, power=2)
TIMEOUTS = Column("timeouts", "events", 1, 1, lambda b: b.timed_out)
QUALITY_N = Column("quality_n", "events", 1, 1, lambda b: _present(b.quality))
QUALITY = Column("quality", "share", 1_000, 1, _quality)
QUALITY_SQ = Column("quality_sq", "share", 1_000, 1, _quality, power=2)
LATENCY_N = Column("latency_n", "events", 1, 1, lambda b: _present(b.latency_ms))
LATENCY = Column("latency", "ms", 10, LATENCY_CAP_MS, _latency)
LN_LATENCY = Column("ln_latency", "ln ms", 1_000, LN_LATENCY_CAP, _ln_latency)
LN_LATENCY_SQ = Column("ln_latency_sq", "ln ms", 1_000, LN_LATENCY_CAP, _ln_latency, power=2)
COST_N = Column("cost_n", "events", 1, 1, lambda b: _present(b.cost_usd))
COST = Column("cost", "USD", MICRO_USD, COST_CAP_USD, _cost)
LN_COST = Column("ln_cost", "ln micro-USD", 1_000, LN_COST_CAP, _ln_cost)
LN_COST_SQ = Column("ln_cost_sq", "ln micro-USD", 1_000, LN_COST_CAP, _ln_cost, power=2)

# By decision time, for all models: how many decisions were made, how many came back. An
# outcome's own cell is by event time, so what folds it adds `joined` elsewhere by itself.
DECIDED = Column("decided", "decisions", 1, 1, lambda b: _present(b.success))
JOINED = Column("joined", "decisions", 1, 1, _none)
