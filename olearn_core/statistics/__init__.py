"""One sparse integer table of sums: columns, buckets, addition, bytes."""

from __future__ import annotations

from olearn_core.statistics.arrays import BoolArray, FloatArray, IntArray
from olearn_core.statistics.batches import OutcomeBatch
from olearn_core.statistics.buckets import BASE, Bucket, Tier, compacted, place
from olearn_core.statistics.codec import content_hash, from_bytes, read_header, to_bytes
from olearn_core.statistics.columns import SUM_LIMIT, Column
from olearn_core.statistics.table import OTHER, Cell, Statistics
from olearn_core.statistics.weights import Rows, Strategy, Weighting, row_weights

__all__ = [
    "BASE",
    "OTHER",
    "SUM_LIMIT",
    "BoolArray",
    "Bucket",
    "Cell",
    "Column",
    "FloatArray",
    "IntArray",
    "OutcomeBatch",
    "Rows",
    "Statistics",
    "Strategy",
    "Tier",
    "Weighting",
    "compacted",
    "content_hash",
    "from_bytes",
    "place",
    "read_header",
    "row_weights",
    "to_bytes",
]
