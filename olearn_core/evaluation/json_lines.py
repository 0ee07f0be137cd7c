"""Files of JSON objects, one a line, compressed or not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from olearn_core.errors import OlearnError

GZIP_MAGIC = b"\x1f\x8b"

T = TypeVar("T")


class DataFileError(OlearnError):
    """The data file cannot be read; it holds one JSON object a line."""


def read_json_lines(path: Path, decoder: msgspec.json.Decoder[T], what: str, like: str) -> list[T]:
    """
    Read a file, compressed or not.

    :param what: a line should hold
    :param like: such a line, to show where one is wrong
    :raises DataFileError: naming the first line that is wrong
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as lines:
            found = list(_decoded(path, lines, decoder, f"a {what} looks like {like}"))
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from error
    if not found:
        raise DataFileError(f"{path} is empty: it should hold one {what} a line, like {like}")
    return found


def _decoded(
    path: Path, lines: Iterable[bytes], decoder: msgspec.json.Decoder[T], remedy: str
) -> Iterator[T]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataFileError(f"{path}, line {number}: {error}; {remedy}") from error
