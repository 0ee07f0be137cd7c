"""Many requests in one: each item is read, done and answered alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from olearn_core.api.problems import RETRY_AFTER, problem_of

UNAVAILABLE = 503
STARTED_TOGETHER = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """
    A body that is a JSON array.

    :param item: model of an item, `bytes` for a raw outcome
    :param most: items
    """

    item: type[BaseModel | bytes]
    most: int

    def items_of(self, body: bytes) -> list[bytes]:
        """
        Return the JSON of each item.

        :raises HTTPException: 400 where it is not JSON, 422 where it is no array of this size
        """
        try:
            items = msgspec.json.decode(body, type=list[msgspec.Raw])
        except msgspec.ValidationError as error:
            raise HTTPException(422, "the body must be an array of items") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HTTPException(400, f"the body is not valid JSON: {error}") from error
        if not 1 <= len(items) <= self.most:
            raise HTTPException(
                422, f"the array has {len(items)} items: send at least 1 and at most {self.most}"
            )
        return [bytes(item) for item in items]


async def at_once(
    items: Sequence[bytes], one: Callable[[bytes], Awaitable[dict[str, Any]]], status: int
) -> dict[str, Any]:
    """
    Answer items that wait for something together; whoever else waits comes in between.

    :param status: that of an item's answer alone
    :raises HTTPException: 503 where that came of every item
    """
    started: list[asyncio.Task[dict[str, Any]]] = []
    async with asyncio.TaskGroup() as group:
        for first in range(0, len(items), STARTED_TOGETHER):
            some = items[first : first + STARTED_TOGETHER]
            started += [group.create_task(_result(item, one, status)) for item in some]
            await asyncio.sleep(0)
    return _results([task.result() for task in started])


async def in_turn(
    items: Sequence[bytes], one: Callable[[bytes], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """
    Answer items that compute one after the other; whoever else waits comes in between.

    :raises HTTPException: 503 where that came of every item
    """
    results = []
    for item in items:
        results.append(await _result(item, one, 200))
        await asyncio.sleep(0)
    return _results(results)


async def _result(
    item: bytes, one: Callable[[bytes], Awaitable[dict[str, Any]]], status: int
) -> dict[str, Any]:
    try:
        return {"status": status, "answer": await one(item)}
    except Exception as error:  # noqa: BLE001 - logged there; it must not spoil the others
        problem = problem_of(error)
        shown = problem.model_dump(exclude_none=True)
        return {"status": problem.status, "problem": shown}


def _results(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if all(result["status"] == UNAVAILABLE for result in results):
        raise HTTPException(UNAVAILABLE, results[0]["problem"]["detail"], RETRY_AFTER)
    failed = sum("problem" in result for result in results)
    return {"succeeded": len(results) - failed, "failed": failed, "results": results}
