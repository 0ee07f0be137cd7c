"""
Following the database: what any node has saved, told to this node's readers.

Everything is seen in what the database holds, so all nodes tell the same, no
matter which of them it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from olearn_core.live.hub import OPERATORS, Hub
from olearn_core.schemas import CheckpointEvent, DeadLetterEvent, VersionEvent
from olearn_core.storage.dead_letters import DeadLetterStore, StoredLetter
from olearn_core.storage.shards import ShardHeader
from olearn_core.storage.versions import ARCHIVED, ModelVersion, VersionStore
from olearn_core.times import now_rfc3339

MOST_LETTERS = 50
HEAD_BYTES = 200


class Follower:
    """
    Turns what has changed since the last look into events.

    :ivar newest: the newest version of each model
    """

    def __init__(self, hub: Hub, versions: VersionStore, letters: DeadLetterStore) -> None:
        self._hub = hub
        self._versions = versions
        self._letters = letters
        self._headers: Mapping[int, ShardHeader] | None = None
        self.newest: dict[str, ModelVersion] = {}

    async def start(self, headers: Iterable[ShardHeader]) -> None:
        """
        See where everything stands.

        :raises StorageError: where the database does not answer
        """
        self._headers = {header.id: header for header in headers}
        found = reversed(await self._versions.all())
        self.newest = {v.model_type: v for v in found if v.status != ARCHIVED}

    async def look(self, headers: Iterable[ShardHeader]) -> None:
        """
        Tell what is new.

        :param headers: of all shards, as they were read last
        """
        before = self._headers or {}
        self._headers = {header.id: header for header in headers}
        for header in self._headers.values():
            old = before.get(header.id)
            if header.version > (old.version if old else 0):
                self._hub.publish("checkpoint", _checkpoint(old, header), OPERATORS)
                await self._tell_letters(old, header)
        await self._tell_versions()

    async def _tell_letters(self, old: ShardHeader | None, new: ShardHeader) -> None:
        """Tell of the last dead letters among the records of a checkpoint."""
        if not _grown(old, new, "dead_letters") or new.next_offset is None:
            return
        first = (old.next_offset if old else 0) or 0
        partition = (new.source, new.topic, new.partition)
        for letter in await self._letters.between(partition, first, new.next_offset, MOST_LETTERS):
            self._hub.publish("dead_letter", _letter(letter), letter.tenant or OPERATORS)

    async def _tell_versions(self) -> None:
        newest = max((version.id for version in self.newest.values()), default=0)
        for version in await self._versions.after(newest):
            self.newest[version.model_type] = version
            self._hub.publish("version", _version(version))


def _grown(old: ShardHeader | None, new: ShardHeader, name: str) -> int:
    return new.counters.get(name, 0) - (old.counters.get(name, 0) if old else 0)


def _checkpoint(old: ShardHeader | None, new: ShardHeader) -> CheckpointEvent:
    executions = _grown(old, new, "executions")
    success = _grown(old, new, "success_milli") / 1_000
    return CheckpointEvent(
        partition=f"{new.topic}/{new.partition}",
        owner=new.owner,
        epoch=new.epoch,
        version=new.version,
        next_offset=new.next_offset or 0,
        checkpoints=new.version - (old.version if old else 0),
        received=_grown(old, new, "received"),
        executions=executions,
        duplicates=_grown(old, new, "duplicates"),
        dead_letters=_grown(old, new, "dead_letters"),
        success_rate=success / executions if executions > 0 else None,
        at=now_rfc3339(new.updated_at),
    )


def _letter(letter: StoredLetter) -> DeadLetterEvent:
    return DeadLetterEvent(
        id=letter.id,
        partition=f"{letter.topic}/{letter.partition}",
        offset=letter.offset,
        reason=letter.reason,
        pointer=letter.pointer,
        payload_head=letter.payload_head[:HEAD_BYTES].decode(errors="replace"),
        payload_bytes=letter.payload_bytes,
        created_at=now_rfc3339(letter.created_at),
    )


def _version(version: ModelVersion) -> VersionEvent:
    return VersionEvent(
        id=version.id,
        model_type=version.model_type,
        version_number=version.version_number,
        training_samples=version.training_samples,
        sha256=version.sha256,
        created_at=now_rfc3339(version.created_at),
    )
