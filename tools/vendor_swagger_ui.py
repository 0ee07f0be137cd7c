"""
Put Swagger UI's distribution files into the package: `python tools/vendor_swagger_ui.py`.

To take a newer version, change VERSION and SHA256 (of the tarball that `npm pack` fetches) and run
it; `--check` only compares what is there with what was put there.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.35.0"
SHA256 = "1b8e891893404ea4c3558b6a87e2a3e494e7eedba41168c2ece5800a391a6ea6"
PACKAGE = f"swagger-ui-dist@{VERSION}"
FOLDER = Path(__file__).parents[1] / "olearn_core" / "api" / "static" / "swagger-ui"
NAMES = (
    "swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui.css",
    "favicon-32x32.png",
    "LICENSE",
    "NOTICE",
)
ORIGIN = FOLDER / "origin.json"


def sha256(content: bytes) -> str:
    """Return the hash in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def fetch() -> bytes:
    """
    Return the tarball; npm knows where from.

    :raises SystemExit: where it is not the one that was looked at
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        content = next(Path(folder).iterdir()).read_bytes()
    if sha256(content) != SHA256:
        sys.exit(f"{PACKAGE} has sha256 {sha256(content)}, not {SHA256}: nothing was changed")
    return content


def unpack(tarball: bytes) -> dict[str, bytes]:
    """Return the files that are wanted, by name."""
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in NAMES}
        return {name: member.read() for name, member in members.items() if member}


def vendor() -> None:
    """Fetch, check and write."""
    found = unpack(fetch())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        (FOLDER / name).write_bytes(content)
    origin = {
        "package": PACKAGE,
        "sha256": SHA256,
        "files": {name: sha256(content) for name, content in found.items()},
    }
    ORIGIN.write_text(json.dumps(origin, indent=2) + "\n")


def differing() -> list[str]:
    """Return the names of files that are not as they were fetched."""
    known: dict[str, str] = json.loads(ORIGIN.read_text())["files"]
    return [name for name in known if sha256((FOLDER / name).read_bytes()) != known[name]]


def main() -> None:
    """Vendor the files, or check them."""
    parser = argparse.ArgumentParser(description="Vendor Swagger UI.")
    parser.add_argument("--check", action="store_true", help="only compare the files")
    if not parser.parse_args().check:
        vendor()
    if names := differing():
        sys.exit(f"{', '.join(names)}: not as fetched; run tools/vendor_swagger_ui.py")


if __name__ == "__main__":
    main()
