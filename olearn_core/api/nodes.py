"""The nodes of the group and their partitions; plugins and configuration of this one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from olearn_core.api.operation import Call
from olearn_core.origins import configuration
from olearn_core.schemas import (
    ConfigurationResponse,
    NodeBody,
    PartitionBody,
    PluginBody,
    PluginsResponse,
    WorkersResponse,
)
from olearn_core.service.presence import ALIVE_SECONDS
from olearn_core.storage.nodes import Node, NodeLag
from olearn_core.storage.shards import ShardHeader, ShardStore
from olearn_core.times import now_rfc3339


async def list_workers(call: Call) -> WorkersResponse:
    """List nodes and partitions, as the database knows them now."""
    service, now = call.service, time.time()
    nodes = await service.presence.store.all()
    headers = await ShardStore(service.database).headers()
    alive = {node.instance: node for node in nodes if now - node.seen_at < ALIVE_SECONDS}
    return WorkersResponse(
        nodes=[_node(node, is_alive=node.instance in alive) for node in nodes],
        partitions=[_partition(header, alive, now) for header in headers],
        this_instance=service.instance,
    )


async def list_plugins(call: Call) -> PluginsResponse:
    """List plugins with what they implement, and why one is not used."""
    infos = call.service.plugins.infos
    return PluginsResponse(plugins=[PluginBody(**asdict(info)) for info in infos])


async def show_configuration(call: Call) -> ConfigurationResponse:
    """Tell what is in force on this node, and who says so."""
    return configuration(call.service.settings)


def _node(node: Node, *, is_alive: bool) -> NodeBody:
    return NodeBody(
        instance=node.instance,
        role=node.role,
        version=node.olearn_version,
        started_at=now_rfc3339(node.started_at),
        seen_at=now_rfc3339(node.seen_at),
        alive=is_alive,
        partitions=node.state.partitions,
        problems=node.state.problems,
    )


def _partition(header: ShardHeader, alive: Mapping[str, Node], now: float) -> PartitionBody:
    lag = _lag(header, list(alive.values()))
    saved = bool(header.version)
    return PartitionBody(
        source=header.source,
        topic=header.topic,
        partition=header.partition,
        owner=header.owner,
        owner_alive=header.owner in alive,
        epoch=header.epoch,
        next_offset=header.next_offset,
        end_offset=lag.end_offset if lag else None,
        lag=lag.records if lag else None,
        lag_seconds=lag.seconds if lag else None,
        version=header.version,
        checkpoint_at=now_rfc3339(header.updated_at) if saved else None,
        checkpoint_age_seconds=max(0.0, now - header.updated_at) if saved else None,
    )


def _lag(header: ShardHeader, alive: Sequence[Node]) -> NodeLag | None:
    """Return how far the owner says to be, None where it is silent."""
    name = f"{header.topic}/{header.partition}"
    return next((n.state.lags.get(name) for n in alive if n.instance == header.owner), None)
