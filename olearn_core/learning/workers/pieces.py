"""Stretches of records without a gap in their offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from olearn_core.sources.source import Record


def pieces(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    """Yield stretches of records without a gap in their offsets, none longer than `size`."""
    for start in range(0, len(records), size):
        piece = records[start : start + size]
        if piece[-1].offset - piece[0].offset == len(piece) - 1:
            yield piece
        else:
            yield from _unbroken(piece)


def _unbroken(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    start = 0
    for at in range(1, len(records) + 1):
        if at == len(records) or records[at].offset != records[at - 1].offset + 1:
            yield records[start:at]
            start = at


def gaps_in(records: Sequence[Record], next_offset: int) -> frozenset[tuple[int, int]]:
    """Return the gaps, from and to, between an offset and the records that lie behind it."""
    new = [record for record in records if record.offset >= next_offset]
    before = [next_offset, *(record.offset + 1 for record in new)]
    gaps = ((start, record.offset) for start, record in zip(before, new, strict=False))
    return frozenset(gap for gap in gaps if gap[0] < gap[1])
