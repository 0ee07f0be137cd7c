"""
Draw the dashboard's pictures of the documentation: `python -m tests.tui.pictures`.

They show the fake service of the tests. It takes `pip install resvg-py` and a font with braille
(Debian: fonts-dejavu-core).
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import resvg_py

from tests.tui import figures
from tests.tui.fake_service import FakeService
from tests.tui.snapshots import drawn

FOLDER = Path("docs/images")
FONT = "DejaVu Sans Mono"
SIZE = (132, 42)
PICTURES = {
    "dashboard-overview": ("overview", "tokyo-night", ()),
    "dashboard-overview-light": ("overview", "textual-light", ()),
    "dashboard-agent": ("agents", "tokyo-night", ("down", "enter")),
    "dashboard-decide": ("decide", "tokyo-night", ("escape",)),
    "dashboard-models": ("models", "tokyo-night", ()),
    "dashboard-production": ("workers", "production", ()),
}


def png(svg: str) -> bytes:
    """Return an SVG of Textual as PNG; its fonts are of the web, ours of this machine."""
    local = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", FONT)
    return bytes(resvg_py.svg_to_bytes(svg_string=local))


async def draw() -> None:
    """Write every picture."""
    async with FakeService(lambda: figures.START + 240) as fake:
        for name, (mode, theme, keys) in PICTURES.items():
            svg = await drawn(fake, mode, SIZE, theme, keys)
            (FOLDER / f"{name}.png").write_bytes(png(svg))
            print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw())
