"""7: who learns what, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult

from olearn_core.schemas import NodeBody, PartitionBody
from olearn_tui import formats
from olearn_tui.feed.picture import Picture
from olearn_tui.feed.resources import WORKERS, Resource
from olearn_tui.screens.page import Page
from olearn_tui.widgets.column import Cell, Column, words
from olearn_tui.widgets.panel import TablePanel
from olearn_tui.widgets.table import RowTable

LATE_RECORDS = 1_000
LATE_SECONDS = 30.0


class Workers(Page):
    """Nodes over partitions."""

    CRUMB: ClassVar[str] = "Workers"

    def panels(self) -> ComposeResult:
        """Lay out the tables."""
        yield TablePanel("nodes", self._nodes_table(), id="nodes")
        yield TablePanel("partitions", self._partitions_table(), id="partitions")

    def _nodes_table(self) -> RowTable[NodeBody]:
        columns: Sequence[Column[NodeBody]] = (
            words("node", 18, lambda n: n.instance, grows=True, names=True),
            Column("state", 6, lambda n: n.alive, _alive, left=True),
            words("role", 8, lambda n: n.role),
            Column("partitions", 10, _held, lambda n: str(_held(n))),
            Column("heard", 8, lambda n: n.seen_at, lambda n: formats.clock(n.seen_at)),
            Column(
                "since",
                14,
                lambda n: n.started_at,
                lambda n: formats.date_and_clock(n.started_at),
                rank=2,
            ),
            words("release", 8, lambda n: n.version, rank=3),
            words("problems", 16, _problems, grows=True, rank=1),
        )
        return RowTable(columns, lambda n: n.instance, data=NodeBody.model_dump, sort="node")

    def _partitions_table(self) -> RowTable[PartitionBody]:
        columns: Sequence[Column[PartitionBody]] = (
            words("partition", 18, _name, grows=True, names=True),
            words("source", 18, lambda p: p.source, rank=3),
            Column("owner", 18, lambda p: p.owner or "", _owner, left=True, grows=True, names=True),
            Column("epoch", 5, lambda p: p.epoch, lambda p: str(p.epoch), rank=2),
            Column(
                "next offset",
                12,
                lambda p: p.next_offset,
                lambda p: formats.count(p.next_offset),
                rank=1,
            ),
            Column("log end", 12, _log_end, lambda p: formats.count(_log_end(p)), rank=2),
            Column("lag", 8, lambda p: p.lag, _lag),
            Column("waits", 6, lambda p: p.lag_seconds, _waits),
            Column("checkpoint", 10, lambda p: p.checkpoint_age_seconds, _checkpoint),
            Column(
                "checkpoints", 11, lambda p: p.version, lambda p: formats.count(p.version), rank=4
            ),
        )
        return RowTable(columns, _name, data=PartitionBody.model_dump, sort="lag", descending=True)

    def wants(self) -> Sequence[Resource[Any]]:
        """Return what to read while this screen is shown."""
        return (WORKERS,)

    def on_mount(self) -> None:
        """Begin at the partitions."""
        self.query_one("#partitions", TablePanel).table.focus()

    def show(self, picture: Picture) -> None:
        """Show what is known now."""
        known = picture.read(WORKERS)
        nodes = self.query_one("#nodes", TablePanel)
        nodes.note = picture.fault(WORKERS)
        if known is not None:
            nodes.note = f"this is {known.this_instance}"
        nodes.table.set([] if known is None else known.nodes)
        self.query_one("#partitions", TablePanel).table.set(
            [] if known is None else known.partitions
        )

    @on(RowTable.Picked)
    def _open(self, event: RowTable.Picked) -> None:
        name = event.row.instance if isinstance(event.row, NodeBody) else _name(event.row)
        self.dashboard.open_details(name, event.row.model_dump())


def _alive(node: NodeBody) -> Cell:
    return ("alive", "good") if node.alive else ("silent", "bad")


def _held(node: NodeBody) -> int:
    return len(node.partitions)


def _problems(node: NodeBody) -> str:
    return formats.printable("; ".join(node.problems))


def _name(partition: PartitionBody) -> str:
    return f"{partition.topic}/{partition.partition}"


def _owner(partition: PartitionBody) -> Cell:
    owner = formats.printable(partition.owner or "nobody")
    return owner if partition.owner_alive else (owner, "bad")


def _log_end(partition: PartitionBody) -> int | None:
    """Return where the log ends; what was learned since somebody looked is there, too."""
    if partition.end_offset is None:
        return None
    return max(partition.end_offset, partition.next_offset or 0)


def _lag(partition: PartitionBody) -> Cell:
    late = (partition.lag or 0) > LATE_RECORDS
    return formats.count(partition.lag), "warn" if late else ""


def _waits(partition: PartitionBody) -> Cell:
    late = (partition.lag_seconds or 0) > LATE_SECONDS
    return formats.span(partition.lag_seconds), "bad" if late else ""


def _checkpoint(partition: PartitionBody) -> str:
    return formats.span(partition.checkpoint_age_seconds)
