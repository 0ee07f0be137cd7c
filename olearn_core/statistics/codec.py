"""Tables as bytes: npz with a JSON header and a checksum, never pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import numpy as np

from olearn_core.errors import CorruptArtifactError
from olearn_core.statistics.buckets import Bucket
from olearn_core.statistics.columns import IntArray
from olearn_core.statistics.table import Cell, Statistics

SCHEMA_VERSION = 1


def content_hash(table: Statistics) -> str:
    """
    Return the sha256 of what the table says, whatever its row order.

    Rows of zeros do not count, so equal tables have equal hashes. Two tables
    compare only when compacted at the same reference time.
    """
    canonical = sorted((list(cell), sorted(sums.items())) for cell, sums in table.items())
    return hashlib.sha256(json.dumps(canonical, ensure_ascii=False).encode()).hexdigest()


def to_bytes(table: Statistics, **header: Any) -> bytes:
    """Return the table as an npz; further header fields must be JSON."""
    values = np.ascontiguousarray(table.values)
    described = {
        **header,
        "schema_version": SCHEMA_VERSION,
        "columns": table.columns,
        "cells": list(table.rows),
    }
    text = json.dumps(described, ensure_ascii=False, sort_keys=True).encode()
    digest = np.frombuffer(_digest(text, values), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(file, header=np.frombuffer(text, dtype=np.uint8), values=values, sha256=digest)
    return file.getvalue()


def from_bytes(data: bytes) -> Statistics:
    """
    Return the table that `to_bytes` wrote.

    :raises CorruptArtifactError: torn, changed, or of a newer schema
    """
    header, values = _checked(data)
    cells = [Cell(t, task, a, c, Bucket(*bucket)) for t, task, a, c, bucket in header["cells"]]
    return Statistics.of(header["columns"], cells, values)


def read_header(data: bytes) -> dict[str, Any]:
    """Return the JSON header of a table written by `to_bytes`, after checking all of it."""
    return _checked(data)[0]


def _checked(data: bytes) -> tuple[dict[str, Any], IntArray]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            text, values, digest = (arrays[n] for n in ("header", "values", "sha256"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as e:
        raise CorruptArtifactError(f"a stored table cannot be read: {e}") from e
    if _digest(text.tobytes(), values) != digest.tobytes():
        raise CorruptArtifactError("a stored table does not match its sha256")
    header: dict[str, Any] = json.loads(text.tobytes())
    if header["schema_version"] > SCHEMA_VERSION:
        raise CorruptArtifactError(
            f"a stored table has schema {header['schema_version']}, this olearn reads up to"
            f" {SCHEMA_VERSION}: upgrade olearn"
        )
    return header, values


def _digest(text: bytes, values: IntArray) -> bytes:
    return hashlib.sha256(text + values.tobytes()).digest()
