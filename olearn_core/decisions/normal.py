"""The normal distribution function on arrays."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np

from olearn_core.statistics import FloatArray

_erfc = np.frompyfunc(erfc, 1, 1)


def normal_cdf(z: FloatArray) -> FloatArray:
    """Return P(Z <= z) of a standard normal Z, to double precision."""
    return np.asarray(_erfc(-z / sqrt(2.0)), dtype=np.float64) / 2.0
