"""The whole service, from the log to the sums, over restarts."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support import oracle
from tests.support.events import stream
from tests.support.services import cells_of, publish, received, running, settings_for, table_of


async def test_what_is_published_is_learned_once(tmp_path: Path, database_url: str) -> None:
    now = time.time()
    records = stream(1, 500, now)
    async with running(settings_for(tmp_path, database_url)) as run:
        await publish(run.service.publisher, records)
        await received(run.service, len(records))
        assert cells_of(table_of(run.service)) == oracle.expected(records, now)
