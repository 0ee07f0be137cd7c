"""What is answered to Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from olearn_core.metrics.families import Reading, families
from olearn_core.metrics.instruments import Instruments


class _Together(Collector):
    """What was noted, and what was read just now."""

    def __init__(self, parts: Sequence[Iterable[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part


def exposition(
    instruments: Instruments, readings: Iterable[Reading], accept: str
) -> tuple[bytes, str]:
    """
    Return the text of all metrics, and its media type.

    :param accept: the request's header: OpenMetrics where it is asked for
    """
    encode, media_type = choose_encoder(accept)
    return encode(_Together([instruments.collect(), families(readings)])), media_type
