"""The nodes of a group, their partitions, plugins and configuration."""

from __future__ import annotations

from typing import Any, Literal

from olearn_core.schemas.bodies import Answer

Origin = Literal["default", "file", "environment", "given"]


class NodeBody(Answer):
    """
    One process of the group.

    `alive` is false where it has not been heard of for 10 seconds; `problems`
    are what it said of itself last.
    """

    instance: str
    role: str
    version: str
    started_at: str
    seen_at: str
    alive: bool
    partitions: list[str]
    problems: list[str]


class PartitionBody(Answer):
    """
    One partition and how far it is learned.

    `owner` has claimed it last, `owner_alive` tells whether it is heard of.
    `lag` counts records that are not learned yet, `lag_seconds` how long the oldest
    of them has been waiting; null where no living node says so. `version` counts
    checkpoints; `checkpoint_age_seconds` is null before the first.
    """

    source: str
    topic: str
    partition: int
    owner: str | None
    owner_alive: bool
    epoch: int
    next_offset: int | None
    end_offset: int | None
    lag: int | None
    lag_seconds: float | None
    version: int
    checkpoint_at: str | None
    checkpoint_age_seconds: float | None


class WorkersResponse(Answer):
    """Every node of the group, and every partition, as the database knows them."""

    nodes: list[NodeBody]
    partitions: list[PartitionBody]
    this_instance: str


class PluginBody(Answer):
    """A plugin; `problem` says why it is not used, null where it is."""

    name: str
    distribution: str
    version: str
    hooks: list[str]
    models: list[str]
    problem: str | None


class PluginsResponse(Answer):
    """Every plugin that was found on this node."""

    plugins: list[PluginBody]


class SettingBody(Answer):
    """
    One key with its effective value; secrets are hidden.

    `variable` is the environment's name where it comes from there.
    """

    key: str
    value: Any
    origin: Origin
    variable: str | None


class ConfigurationResponse(Answer):
    """What is in force on this node; `file` is the one that was read, null where none was."""

    file: str | None
    settings: list[SettingBody]
