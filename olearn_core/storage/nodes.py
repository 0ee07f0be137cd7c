"""The nodes of a group: each says every few seconds that it is there, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from olearn_core.storage.database import Database
from olearn_core.storage.tables import nodes

KEPT_SECONDS = 3_600.0


class NodeLag(msgspec.Struct, frozen=True):
    """How far one of a node's partitions is behind, as in `learning.lags.Lag`."""

    end_offset: int
    records: int
    seconds: float


class NodeState(msgspec.Struct, frozen=True):
    """
    What a node says of itself.

    :param partitions: topic/number, loaded or not
    :param lags: of those whose ends are known, by the same names
    """

    partitions: list[str]
    lags: dict[str, NodeLag]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Node:
    """
    One process of the group, as it was last heard of.

    :param started_at: Unix seconds, like `seen_at`
    """

    instance: str
    role: str
    olearn_version: str
    state: NodeState
    started_at: float
    seen_at: float


class NodeStore:
    """Reads and writes nodes; whoever has been silent for an hour is forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, node: Node) -> None:
        """Write down what a node says of itself now."""
        row = _row(node)
        async with self._database.write() as connection:
            mine = nodes.c.instance == node.instance
            told = await connection.execute(update(nodes).where(mine).values(row))
            if not told.rowcount:
                old = nodes.c.seen_at < node.seen_at - KEPT_SECONDS
                await connection.execute(delete(nodes).where(old))
                await connection.execute(insert(nodes).values(row))

    async def leave(self, instance: str) -> None:
        """Forget a node that has stopped."""
        async with self._database.write() as connection:
            await connection.execute(delete(nodes).where(nodes.c.instance == instance))

    async def all(self) -> Sequence[Node]:
        """Return every node that was heard of lately, the oldest first."""
        query = select(nodes).order_by(nodes.c.started_at, nodes.c.instance)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [Node(**{**row, "state": msgspec.convert(row["state"], NodeState)}) for row in rows]


def _row(node: Node) -> dict[str, Any]:
    fields = {name: getattr(node, name) for name in Node.__slots__}
    return fields | {"state": msgspec.to_builtins(node.state)}
