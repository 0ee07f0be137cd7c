"""Hashes of event ids as they are stored: with a checksum before them."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from olearn_core.errors import CorruptArtifactError

HashArray = NDArray[np.uint64]

MARK = b"olearn#1"
CHECK_BYTES = 8
HEAD_BYTES = len(MARK) + CHECK_BYTES


def to_blob(hashes: HashArray) -> bytes:
    """Return hashes as bytes; nothing for none."""
    data = hashes.tobytes()
    return MARK + _check(data) + data if data else b""


def from_blob(blob: bytes) -> HashArray:
    """
    Return the hashes that `to_blob` wrote; the first release wrote them bare.

    :raises CorruptArtifactError: where they are torn or changed
    """
    data = blob
    if blob.startswith(MARK):
        check, data = blob[len(MARK) : HEAD_BYTES], blob[HEAD_BYTES:]
        if _check(data) != check:
            raise CorruptArtifactError("stored event ids do not match their checksum")
    if len(data) % np.dtype(np.uint64).itemsize:
        raise CorruptArtifactError("stored event ids are torn")
    return np.frombuffer(data, dtype=np.uint64)


def joined(blobs: Iterable[bytes]) -> bytes:
    """Return one blob with the hashes of all."""
    return to_blob(np.concatenate([np.zeros(0, np.uint64), *map(from_blob, blobs)]))


def _check(data: bytes) -> bytes:
    return crc32(data).to_bytes(CHECK_BYTES, "little")
