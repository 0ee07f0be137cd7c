"""The API key that a client shows when none is given to it."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

KEY_VARIABLE = "OLEARN_API_KEY"
FILE_VARIABLE = "OLEARN_AUTH__BOOTSTRAP_KEY_FILE"
DEFAULT_FILE = "olearn-bootstrap.key"
LARGEST_BYTES = 1_024


def found_key(url: str) -> str | None:
    """
    Return the key in $OLEARN_API_KEY; for a service on this machine else the one in its file.

    The file is the one that `olearn serve` has written into the current folder, or
    where $OLEARN_AUTH__BOOTSTRAP_KEY_FILE says. It is shown to no other machine.
    """
    if given := os.environ.get(KEY_VARIABLE, "").strip():
        return given
    return _in_file(Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)) if _here(url) else None


def _in_file(path: Path) -> str | None:
    """Return a file's key; one that is not there or not ours to read holds none."""
    try:
        with path.open() as file:
            return file.read(LARGEST_BYTES).strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _here(url: str) -> bool:
    """Tell whether a URL leads to this machine only."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
