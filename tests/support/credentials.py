"""The operator's key that services of tests take for their first one."""

from __future__ import annotations

from pathlib import Path

from olearn_core.auth.api_key import checksum
from olearn_core.service import Service

_BODY = f"olk_test_operator0001_{'s' * 43}"
KEY = _BODY + checksum(_BODY)
HEADERS = {"Authorization": f"Bearer {KEY}"}
KEY_FILE = "olearn-bootstrap.key"


async def admit(service: Service) -> dict[str, str]:
    """Have the service know the key; return the headers that show it."""
    await service.authenticator.keys.begin(KEY)
    return HEADERS


def lay_key(folder: Path) -> Path:
    """Put the key where a service that starts in this folder finds it."""
    path = folder / KEY_FILE
    path.touch(0o600)
    path.write_text(KEY)
    return path
