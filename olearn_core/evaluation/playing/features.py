"""Tasks as vectors, for linear bandits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from olearn_core.statistics import FloatArray

MOST_WORDS = 20


def features(task_types: Sequence[str], contexts: Sequence[Mapping[str, Any]]) -> FloatArray:
    """
    Return the features of each task, shape (tasks, features).

    The task type one-hot (rare ones share one), which is also the constant; words and booleans
    of the context one-hot (rare words left out), numbers as ln(1 + |x|), standardised.
    """
    columns = [_constant(task_types)]
    for key in sorted({key for context in contexts for key in context}):
        values = [context.get(key) for context in contexts]
        columns.append(_numbers(values) if _is_numeric(values) else _one_hot(map(str, values)))
    return np.concatenate(columns, axis=1)


def _constant(task_types: Sequence[str]) -> FloatArray:
    """Return the task type one-hot; each task has exactly one."""
    hot = _one_hot(task_types)
    rare = 1.0 - hot.sum(axis=1, keepdims=True)
    return np.concatenate([hot, rare], axis=1) if rare.any() else hot


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        for value in values
    )


def _one_hot(words: Any) -> FloatArray:
    names, places = np.unique(list(words), return_inverse=True)
    counts = np.bincount(places, minlength=len(names))
    common = np.argsort(-counts, kind="stable")[: MOST_WORDS if len(names) > 1 else 0]
    hot: FloatArray = (places[:, None] == common).astype(np.float64)
    return hot


def _numbers(values: Sequence[float | None]) -> FloatArray:
    sizes = np.log1p(np.abs(np.array([value or 0.0 for value in values], dtype=np.float64)))
    spread = float(sizes.std())
    scaled: FloatArray = (sizes - sizes.mean()) / spread if spread > 0 else np.zeros_like(sizes)
    return scaled[:, None]
