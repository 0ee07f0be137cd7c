"""What a run stands on: a broker and a database, each behind a proxy."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

from tests.nemesis.fleet import Settings, Worker
from tests.nemesis.parameters import Parameters
from tests.servers import HOST, Server, free_ports
from tests.servers.apache_kafka import ApacheKafka
from tests.servers.fixtures import create_topic
from tests.servers.postgres import Postgres
from tests.servers.proxy import Proxy
from tests.servers.tansu import Tansu
from tests.support.services import migrated, settings_for


class Stage:
    """
    A broker and a database of their own, and the settings of workers on them.

    :param proxied: False where nothing shall stand between them: a proxy has its cost
    :ivar bootstrap: the broker's address for clients
    :ivar url: the database's address, past the proxy
    :ivar database: the server, None for SQLite
    """

    broker: Server
    broker_proxy: Proxy
    bootstrap: str
    database: Postgres | None = None
    database_proxy: Proxy | None = None
    url: str
    topic: str

    def __init__(self, parameters: Parameters, folder: Path, *, proxied: bool = True) -> None:
        self.parameters = parameters
        self.folder = folder
        self._proxied = proxied
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start_broker(stack)
            self._start_database(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _start_broker(self, stack: ExitStack) -> None:
        port = free_ports(1)[0] if self._proxied else None
        kind = ApacheKafka if self.parameters.broker == "apache" else Tansu
        self.broker = stack.enter_context(kind(self.folder, advertised=port))
        self.bootstrap = self.broker.bootstrap
        if port is not None:
            self.broker_proxy = stack.enter_context(Proxy(self.broker.port, port))
            self.bootstrap = self.broker_proxy.bootstrap

    def _start_database(self, stack: ExitStack) -> None:
        if self.parameters.database == "sqlite":
            self.url = f"sqlite+aiosqlite:///{self.folder / 'olearn.db'}"
            return
        self.database = stack.enter_context(Postgres(self.folder))
        if self._proxied:
            self.database_proxy = stack.enter_context(Proxy(self.database.port))
        self.url = self.database.create_database()

    async def prepare(self) -> None:
        """Make the topic and the tables."""
        self.topic = await create_topic(self.broker.bootstrap, self.parameters.partitions)
        await migrated(settings_for(self.folder, self.url))

    def worker(self, name: str, role: str = "learner", **learning: object) -> Worker:
        """Return a worker on this stage, not yet started."""
        settings: Settings = {
            "database": {"url": self._url_through_proxy()},
            "kafka": {
                "bootstrap_servers": self.bootstrap,
                "outcome_topic": self.topic,
                "group": self.topic,
                "session_timeout_ms": round(self.parameters.session_timeout_seconds * 1_000),
            },
            "learning": learning,
        }
        return Worker(self.folder, name, settings, role)

    def _url_through_proxy(self) -> str:
        if self.database_proxy is None:
            return self.url
        moved = make_url(self.url).set(host=HOST, port=self.database_proxy.port)
        return moved.render_as_string(hide_password=False)

    def freeze_broker(self) -> None:
        """Stop it in the middle of whatever it does."""
        os.kill(self.broker.pid, signal.SIGSTOP)

    def thaw_broker(self) -> None:
        """Let it go on."""
        os.kill(self.broker.pid, signal.SIGCONT)
