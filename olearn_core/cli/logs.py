"""The log of a process, on standard error."""

from __future__ import annotations

import logging
import sys
import time

from olearn_core.logs import JsonFormatter, TextFormatter

TALKATIVE = ("aiokafka", "alembic", "uvicorn")
AGAIN_SECONDS = 30.0


def log_to_stderr(level: str, form: str = "text") -> None:
    """
    Send the log of this process to standard error.

    :param form: of its lines, text or json
    """
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[stderr], force=True)
    if level != "DEBUG":
        for handler in logging.getLogger().handlers:
            handler.addFilter(Seldom("aiokafka"))
        for library in TALKATIVE:
            logging.getLogger(library).setLevel(logging.WARNING)  # they tell of every step


class Seldom(logging.Filter):
    """
    Lets a library say the same thing twice a minute: while a broker is away it would each time.

    :param library: name of its logger
    """

    def __init__(self, library: str) -> None:
        super().__init__()
        self._library = library
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass what is of others, or was not said lately."""
        if record.name.partition(".")[0] != self._library:
            return True
        now = time.monotonic()
        if now - self._said.get(str(record.msg), -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        self._said[str(record.msg)] = now
        return True
