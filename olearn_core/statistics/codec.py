"""Tables as bytes: npz with a JSON header and a checksum, never pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from olearn_core.errors import CorruptArtifactError
from olearn_core.statistics.arrays import IntArray
from olearn_core.statistics.table import Cell, Statistics

SCHEMA_VERSION = 1
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    msgspec.MsgspecError,
)


class _Versioned(msgspec.Struct):
    schema_version: int


class _Described(msgspec.Struct):
    columns: list[str]
    cells: list[Cell]


def content_hash(table: Statistics) -> str:
    """
    Return the sha256 of what the table says, whatever its row order.

    Rows of zeros do not count, so equal tables have equal hashes. Two tables
    compare only when compacted at the same reference time.
    """
    canonical = sorted((list(cell), sorted(sums.items())) for cell, sums in table.items())
    return hashlib.sha256(json.dumps(canonical, ensure_ascii=False).encode()).hexdigest()


def canonical(table: Statistics) -> Statistics:
    """
    Return the table with its rows in order and without rows of zeros.

    Equal tables are equal bytes then, however they came about. It costs a sort,
    so versions are written this way, checkpoints are not.
    """
    filled = np.flatnonzero(table.values.any(axis=1)).tolist()
    return table.take(sorted(filled, key=table.cells.__getitem__))


def to_bytes(table: Statistics, rows: IntArray | None = None, /, **header: Any) -> bytes:
    """
    Return the table as an npz.

    :param rows: that are wanted, each once; None for all
    :param header: further fields, which must be JSON
    """
    if rows is None:
        cells, values = table.cells, np.ascontiguousarray(table.values)
    else:
        cells, values = [table.cells[row] for row in rows.tolist()], table.values[rows]
    described = {
        **header,
        "schema_version": SCHEMA_VERSION,
        "columns": table.columns,
        "cells": cells,
    }
    text = msgspec.json.encode(described, order="deterministic")
    digest = np.frombuffer(_digest(text, values), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(file, header=np.frombuffer(text, dtype=np.uint8), values=values, sha256=digest)
    return file.getvalue()


def from_bytes(data: bytes) -> Statistics:
    """
    Return the table that `to_bytes` wrote.

    :raises CorruptArtifactError: torn, changed, or of a newer schema
    """
    described, _, values = _checked(data)
    return Statistics.of(described.columns, described.cells, values)


def read_header(data: bytes) -> dict[str, Any]:
    """Return the JSON header of a table written by `to_bytes`, after checking all of it."""
    header: dict[str, Any] = json.loads(_checked(data)[1])
    return header


def _checked(data: bytes) -> tuple[_Described, bytes, IntArray]:
    try:
        return _read(data)
    except _UNREADABLE as e:
        raise CorruptArtifactError(f"a stored table cannot be read: {e}") from e


def _read(data: bytes) -> tuple[_Described, bytes, IntArray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        header, values, digest = (_array(archive, n) for n in ("header", "values", "sha256"))
    text = header.tobytes()
    if _digest(text, values) != digest.tobytes():
        raise CorruptArtifactError("a stored table does not match its sha256")
    version = msgspec.json.decode(text, type=_Versioned).schema_version
    if version > SCHEMA_VERSION:
        raise CorruptArtifactError(
            f"a stored table has schema {version}, this olearn reads up to {SCHEMA_VERSION}:"
            " upgrade olearn"
        )
    described = msgspec.json.decode(text, type=_Described)
    if values.dtype != np.int64 or values.shape != (len(described.cells), len(described.columns)):
        raise CorruptArtifactError("a stored table has sums of another type or shape")
    return described, text, values


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Read a member whole, so that its checksum holds before numpy parses a byte of it."""
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise zipfile.BadZipFile("compressed, which olearn never does")
    array: NDArray[Any] = np.lib.format.read_array(
        io.BytesIO(archive.read(member)), allow_pickle=False
    )
    return array


def _digest(text: bytes, values: IntArray) -> bytes:
    return hashlib.sha256(text + values.tobytes()).digest()
