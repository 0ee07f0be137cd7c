"""What the live stream sends: the data of its events, by the event's name."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, StringConstraints

from olearn_core.schemas.alerts import AlertBody
from olearn_core.schemas.bodies import Answer, Body
from olearn_core.schemas.learning import MetricsResponse

StreamTopic = Literal["metrics", "checkpoint", "version", "alert", "dead_letter"]
STREAM_TOPICS: tuple[StreamTopic, ...] = get_args(StreamTopic)

_TOPIC = f"({'|'.join(STREAM_TOPICS)})"
TopicList = Annotated[str, StringConstraints(pattern=rf"^ *{_TOPIC}( *, *{_TOPIC})* *$")]


class StreamQuery(Body):
    """What is to be followed: `topics` are names of events with commas between them."""

    topics: TopicList | None = None

    @property
    def wanted(self) -> frozenset[str]:
        """The names, all of them where none is given."""
        if self.topics is None:
            return frozenset(STREAM_TOPICS)
        return frozenset(topic.strip() for topic in self.topics.split(","))


class CheckpointEvent(Answer):
    """
    A partition was saved, by whichever node owns it.

    Several checkpoints between two looks at the database are one event: `checkpoints`
    counts them, the counts are what they brought together. `partition` is `topic/number`.
    """

    partition: str
    owner: str | None
    epoch: int
    version: int
    next_offset: int
    checkpoints: int
    received: int
    executions: int
    duplicates: int
    dead_letters: int
    success_rate: float | None
    at: str


class DeadLetterEvent(Answer):
    """
    A record could not be learned.

    `id` is what `GET /api/learning/dead-letters/{id}` shows whole; `payload_head` is the
    beginning of the record as text.
    """

    id: int
    partition: str
    offset: int
    reason: str
    pointer: str
    payload_head: str
    payload_bytes: int
    created_at: str


class VersionEvent(Answer):
    """A version of a model was saved."""

    id: int
    model_type: str
    version_number: int
    training_samples: int
    sha256: str
    created_at: str


class SnapshotEvent(Answer):
    """
    How things are now: the first event of every stream that does not resume an earlier one.

    It also stands for `missed` events that a reader was too slow to take, or that are no
    longer kept: what it shows replaces what was known. `metrics` is `null` where it was not
    asked for.
    """

    metrics: MetricsResponse | None
    alerts: list[AlertBody]
    view_version: int
    missed: int
    as_of: str | None


# The names of all events. `metrics` has no id: the next one comes within a second or so.
STREAM_EVENTS: dict[str, type[BaseModel]] = {
    "snapshot": SnapshotEvent,
    "metrics": MetricsResponse,
    "checkpoint": CheckpointEvent,
    "version": VersionEvent,
    "alert": AlertBody,
    "dead_letter": DeadLetterEvent,
}
