"""Files of recorded tasks: what every agent did on each of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from olearn_core.errors import OlearnError

GZIP_MAGIC = b"\x1f\x8b"

Name = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]


class DataFileError(OlearnError):
    """The data file cannot be read; it holds one JSON object a line."""


class Execution(msgspec.Struct, frozen=True):
    """What one agent did on one task."""

    success: Share
    quality: Share | None = None
    latency_ms: Amount | None = None
    cost_usd: Amount | None = None

    @property
    def status(self) -> str:
        """The success in an outcome's words."""
        if self.success in (0, 1):
            return "success" if self.success else "failure"
        return "partial"


class Task(msgspec.Struct, frozen=True):
    """A task, and what would have come of it with each agent."""

    task_id: Name
    task_type: Name
    outcomes: Annotated[dict[Name, Execution], Meta(min_length=1)]
    context: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(Task)


def read_tasks(path: Path) -> list[Task]:
    """
    Read a file of tasks, compressed or not.

    :raises DataFileError: naming the first line that is wrong
    """
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as lines:
            tasks = list(_decoded(path, lines))
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} cannot be read: {error}") from error
    if not tasks:
        raise DataFileError(f"{path} is empty: it should hold one task a line, as JSON")
    return tasks


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[Task]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataFileError(f"{path}, line {number}: {error}") from error
