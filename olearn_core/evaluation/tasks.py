"""Files of recorded tasks: what every agent did on each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from olearn_core.evaluation.json_lines import read_json_lines

Name = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]


class Execution(msgspec.Struct, frozen=True):
    """What one agent did on one task."""

    success: Share | bool
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
_LIKE = '{"task_id": "m1", "task_type": "mail", "outcomes": {"atlas": {"success": 1}}}'


def read_tasks(path: Path) -> list[Task]:
    """
    Read a file of tasks, compressed or not.

    :raises DataFileError: naming the first line that is wrong
    """
    return read_json_lines(path, _decoder, "task", _LIKE)
