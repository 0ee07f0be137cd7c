"""Server-sent events, read line by line (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

MOST_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One event; `id` is the last that the stream gave, "" for none."""

    name: str
    data: str
    id: str


async def sent_events(lines: AsyncIterator[str]) -> AsyncIterator[Sent]:
    """
    Return the events of a stream's lines; one that is not ended by an empty line is dropped.

    Data beyond `MOST_CHARACTERS` are dropped too, so that no stream fills the memory.
    """
    name, last_id, data, size = "", "", list[str](), 0
    async for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Sent(name or "message", "\n".join(data), last_id)
            name, data, size = "", [], 0
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "data" and size < MOST_CHARACTERS:
            data.append(value)
            size += len(value)
