"""The window of event ids that were seen: sorted 64-bit hashes, bounded by memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2s

import numpy as np
from numpy.typing import NDArray

from olearn_core.storage.hash_blobs import HashArray

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


@dataclass(slots=True)
class _Generation:
    """
    Hashes that came after each other and are forgotten together.

    :param since: Unix seconds at which its first hashes came
    :param segments: sorted, of falling size
    """

    since: float
    segments: list[HashArray] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    def add(self, ordered: HashArray) -> None:
        """Add sorted hashes, and merge where that makes few segments of many."""
        self.segments.append(ordered)
        last = self.segments
        while len(last) > 1 and len(last[-2]) < MERGE_RATIO * len(last[-1]):
            last[-2:] = [np.sort(np.concatenate(last[-2:]), kind="stable")]

    def close(self) -> None:
        """Make one segment of all: nothing will be added any more."""
        self.segments = [np.sort(np.concatenate(self.segments), kind="stable")]


class DedupWindow:
    """
    Hashes of the newest events, oldest part forgotten first.

    Kept as sorted segments of falling size, so that adding costs little and a
    probe looks at few of them.

    :param most: how many hashes are kept
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._latest = 0.0
        self._generations: list[_Generation] = []

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return sum(segment.nbytes for g in self._generations for segment in g.segments)

    @property
    def watermark(self) -> float | None:
        """Unix seconds since when every event is remembered, None while there is none."""
        return self._generations[0].since if self._generations else None

    def resize(self, most: int) -> None:
        """Keep another number of hashes from now on."""
        self._most = max(1, most)
        self._forget()

    def admit(self, hashes: HashArray, now_seconds: float = 0.0) -> NDArray[np.bool_]:
        """Tell which hashes are new (the first of equal ones), and remember those."""
        ordered, first = np.unique(hashes, return_index=True)
        new = np.ones(len(ordered), dtype=np.bool_)
        for generation in self._generations:
            for segment in generation.segments:
                at = np.searchsorted(segment, ordered)
                at[at == len(segment)] = 0
                new &= segment[at] != ordered
        self.remember(ordered[new], now_seconds)
        fresh = np.zeros(len(hashes), dtype=np.bool_)
        fresh[first[new]] = True
        return fresh

    def remember(self, ordered: HashArray, now_seconds: float = 0.0) -> None:
        """Add sorted hashes that are not in the window."""
        if not len(ordered):
            return
        self._latest = max(self._latest, now_seconds)  # clocks step back, the watermark must not
        if not self._generations:
            self._generations.append(_Generation(self._latest))
        elif len(self._generations[-1]) >= self._most // GENERATIONS:
            self._generations[-1].close()
            self._generations.append(_Generation(self._latest))
        self._generations[-1].add(ordered)
        self._forget()

    def _forget(self) -> None:
        """Let whole generations go until the rest fits; the newest stays."""
        while len(self._generations) > 1 and len(self) > self._most:
            del self._generations[0]
