"""The window of event ids that were seen: sorted 64-bit hashes, bounded by memory."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2s

import numpy as np
from numpy.typing import NDArray

HashArray = NDArray[np.uint64]

DIGEST_WORDS = blake2s().digest_size // 8
GENERATIONS = 4
MERGE_RATIO = 8


def identity_hash(tenant: str, identity: str) -> bytes:
    """Return the digest that stands for an event id within its tenant."""
    return blake2s(f"{tenant}\0{identity}".encode()).digest()


def as_hashes(digests: Sequence[bytes]) -> HashArray:
    """Return the first 8 bytes of each digest as integers."""
    words = np.frombuffer(b"".join(digests), dtype="<u8")
    return words[::DIGEST_WORDS].astype(np.uint64)


class DedupWindow:
    """
    Hashes of the newest events, oldest quarter forgotten first.

    Kept as sorted segments of falling size, so that adding costs little and a
    probe looks at few of them.

    :param most: how many hashes are kept
    """

    def __init__(self, most: int) -> None:
        self._per_generation = max(1, most // GENERATIONS)
        self._generations: list[list[HashArray]] = [[]]

    def __len__(self) -> int:
        return sum(len(segment) for segment in self._segments())

    def _segments(self) -> list[HashArray]:
        return [segment for generation in self._generations for segment in generation]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(segment.nbytes for segment in self._segments())

    def admit(self, hashes: HashArray) -> NDArray[np.bool_]:
        """Tell which hashes are new (the first of equal ones), and remember those."""
        ordered, first = np.unique(hashes, return_index=True)
        new = np.ones(len(ordered), dtype=np.bool_)
        for segment in self._segments():
            at = np.searchsorted(segment, ordered)
            at[at == len(segment)] = 0
            new &= segment[at] != ordered
        self.remember(ordered[new])
        fresh = np.zeros(len(hashes), dtype=np.bool_)
        fresh[first[new]] = True
        return fresh

    def remember(self, ordered: HashArray) -> None:
        """Add sorted hashes that are not in the window."""
        if not len(ordered):
            return
        generation = self._generations[-1]
        generation.append(ordered)
        while len(generation) > 1 and len(generation[-2]) < MERGE_RATIO * len(generation[-1]):
            generation[-2:] = [np.sort(np.concatenate(generation[-2:]), kind="stable")]
        if sum(map(len, generation)) >= self._per_generation:
            self._generations.append([])
            del self._generations[:-GENERATIONS]
