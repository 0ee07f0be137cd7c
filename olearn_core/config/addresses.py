"""What addresses and URLs mean for who may listen, and what may be shown."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether an address or `localhost` means this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_way(url: str) -> bool:
    """Tell whether nobody on the way can change what a URL answers."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def masked_url(url: str) -> str:
    """Return a database URL without its password, wherever it stands."""
    url = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&][^=&]*(?:password|passwd|secret|key)[^=&]*)=[^&]*", r"\1=***", url)
