"""HTTP to one service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Self, TypeVar

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from olearn_core.schemas import Problem
from olearn_tui.errors import Fault, LinkError
from olearn_tui.feed.sse import Sent, sent_events

ROOT = "/api/learning"
TIMEOUT_SECONDS = 5.0
SILENCE_SECONDS = 40.0  # the stream pings every 15 s
FAULTS: Mapping[int, Fault] = {401: "refused", 403: "forbidden", 404: "missing"}

T = TypeVar("T")


class Connection:
    """
    Asks one service; use it as an asynchronous context manager.

    Every method raises `LinkError` where no useful answer comes.

    :param key: an API key or a token, None where the service wants none
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=timeout_seconds,
            verify=self.url.startswith("https"),  # else certificates would be loaded for nothing
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, shape: TypeAdapter[T]) -> T:
        """Return what a path says."""
        with self._told():
            response = await self._http.get(self.url + ROOT + path)
        return self._read(response, shape)

    async def post(self, path: str, body: BaseModel | None, shape: TypeAdapter[T]) -> T:
        """Send a body and return the answer."""
        content = b"{}" if body is None else body.model_dump_json(exclude_unset=True).encode()
        headers = {"Content-Type": "application/json"}
        with self._told():
            response = await self._http.post(
                self.url + ROOT + path, content=content, headers=headers
            )
        return self._read(response, shape)

    async def events(self, last_id: str = "") -> AsyncIterator[Sent]:
        """Return what the live stream sends, from behind the event with this id."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx2.Timeout(self._timeout_seconds, read=SILENCE_SECONDS)
        url = f"{self.url}{ROOT}/stream"
        with self._told():
            async with self._http.stream("GET", url, headers=headers, timeout=timeout) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise self._refusal(response)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise self._strange()
                async for sent in sent_events(response.aiter_lines()):
                    yield sent

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what can happen on the way into a `LinkError`."""
        try:
            yield
        except httpx2.ConnectError as error:
            raise LinkError("unreachable", f"nobody answers at {self.url}") from error
        except httpx2.TimeoutException as error:
            raise LinkError("slow", f"{self.url} does not answer in time") from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise LinkError("unreachable", f"{self.url!r} is not a service's address") from error
        except httpx2.HTTPError as error:
            raise LinkError("broken", f"{self.url} broke the connection off") from error

    def _read(self, response: httpx2.Response, shape: TypeAdapter[T]) -> T:
        if response.status_code >= 300:
            raise self._refusal(response)
        try:
            return shape.validate_json(response.content)
        except ValidationError as error:
            raise self._strange() from error

    def _strange(self) -> LinkError:
        return LinkError("strange", f"what answers at {self.url} is not olearn of this version")

    def _refusal(self, response: httpx2.Response) -> LinkError:
        status = response.status_code
        fault = FAULTS.get(status, "failing")
        if fault == "refused":
            said = "the key is not accepted: give another with --key, OLEARN_API_KEY or a profile"
        else:
            said = _detail(response.content) or response.reason_phrase
        return LinkError(fault, f"{said} ({status})")


def _detail(content: bytes) -> str:
    """Return the detail of a problem, nothing where it is none."""
    try:
        return Problem.model_validate_json(content).detail
    except ValidationError:
        return ""


def segment(name: str) -> str:
    """Return a name as one segment of a path, or a value of a query."""
    return str(httpx2.QueryParams({"": name})).removeprefix("=").replace("+", "%20")
