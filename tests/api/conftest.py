"""The API of a real service, asked in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from olearn_core.api.app import create_app
from olearn_core.service import Service
from tests.support.credentials import admit
from tests.support.services import received, running, settings_for

ROOT = "/api/learning"
AT_THE_ROOT = {"/livez", "/readyz", "/healthz", "/nowhere", "/openapi.json", "/docs"}


class Api:
    """A client of one service's API."""

    def __init__(self, service: Service, client: httpx2.AsyncClient) -> None:
        self.service = service
        self.client = client
        self._sent = 0

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(_full(path), **options)

    async def post(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.post(_full(path), **options)

    async def learn(self, *events: dict[str, Any]) -> None:
        """Send outcomes and wait until they are learned."""
        for event in events:
            answer = await self.post("/outcomes", json=event)
            assert answer.status_code == 202, answer.text
        self._sent += len(events)
        await received(self.service, self._sent)


def _full(path: str) -> str:
    return (
        path if path.partition("?")[0] in AT_THE_ROOT or path.startswith("/docs/") else ROOT + path
    )


Serving = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def serving(tmp_path: Path, sqlite_url: str) -> Serving:
    """A factory of running services with their API."""

    @asynccontextmanager
    async def serve(*, until_ready: bool = True, **sections: Any) -> AsyncIterator[Api]:
        settings = settings_for(tmp_path, sqlite_url, **sections)
        async with running(settings, until_ready=until_ready) as run:
            transport = httpx2.ASGITransport(create_app(run.service), raise_app_exceptions=False)
            client = httpx2.AsyncClient(
                transport=transport,
                base_url="http://127.0.0.1",
                headers=await admit(run.service),
            )
            async with client:
                yield Api(run.service, client)

    return serve


@pytest.fixture
async def api(serving: Serving) -> AsyncIterator[Api]:
    """The API of a service that has learned nothing yet."""
    async with serving() as one:
        yield one
