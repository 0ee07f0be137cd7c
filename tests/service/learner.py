"""A service in a process of its own, to be killed: ``python -m tests.service.learner SETTINGS``."""

from __future__ import annotations

import asyncio
import json
import sys

from olearn_core.api.server import serve
from olearn_core.config import AuthSettings, Settings
from tests.support.credentials import lay_key


def main() -> None:
    """Serve with settings given as JSON; print the URL when it answers."""
    settings = Settings(**json.loads(sys.argv[1]))
    key_file = lay_key(settings.versions.storage_path.parent)
    settings = settings.model_copy(update={"auth": AuthSettings(bootstrap_key_file=key_file)})
    asyncio.run(serve(settings, on_ready=lambda url, _: print(url, flush=True)))


if __name__ == "__main__":
    main()
