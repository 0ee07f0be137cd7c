"""
Debian's Chromium without a screen, spoken to by its DevTools protocol.

``python -m tests.servers.chromium`` fetches it. Where none is installed its packages are unpacked
into the cache: apt does not need to be root for that, and the system stays as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.servers import HOST, Server, ServerError

PACKAGE = "chromium-headless-shell"
NAMES = (PACKAGE, "chromium-shell", "chromium")
CACHE = Path(__file__).parents[2] / ".cache" / "chromium"
# No name is resolved and nothing but this machine is reached: the network is closed.
CLOSED = [f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HOST}", "--proxy-server=127.0.0.1:9"]
ANSWER_SECONDS = 60.0
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1280,1600",
    f"--proxy-bypass-list={HOST}",
    *CLOSED,
]


class Chromium(Server):
    """A browser that reaches nothing but this machine."""

    name = "chromium"

    def __init__(self, folder: Path, cache: Path = CACHE) -> None:
        super().__init__(folder)
        self._program, self._libraries = program(cache)
        self._profile = folder / "chromium-profile"

    def _command(self) -> list[str]:
        where = [f"--remote-debugging-port={self.port}", f"--user-data-dir={self._profile}"]
        return [str(self._program), *OPTIONS, *where, "about:blank"]

    def _popen_options(self) -> dict[str, Any]:
        path = ":".join(map(str, self._libraries))
        return {"env": {**os.environ, "LD_LIBRARY_PATH": path}} if path else {}

    def _answers(self) -> bool:
        try:
            return bool(self.targets())
        except OSError:
            return False

    def targets(self) -> list[dict[str, Any]]:
        """Return its pages."""
        address = f"http://{self.bootstrap}/json/list"
        with urllib.request.urlopen(address, timeout=2) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return [target for target in found if target["type"] == "page"]

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Its first page."""
        address = self.targets()[0]["webSocketDebuggerUrl"]
        with connect(address, max_size=None, proxy=None) as socket:
            yield Page(socket)


class Page:
    """
    One page of a browser.

    :ivar events: what it reported, in order
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; keep the events that come meanwhile."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout=ANSWER_SECONDS))
            if message.get("id") != self._asked:
                self.events.append(message)
            elif "error" in message:
                raise AssertionError(f"{method}: {message['error']}")
            else:
                return dict(message["result"])

    def open(self, url: str) -> None:
        """Go to an address."""
        said = self.command("Page.navigate", url=url)
        assert "errorText" not in said, f"{url}: {said['errorText']}"

    def click(self, selector: str) -> None:
        """Click an element as soon as it is there."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.until(f"{element} && ({element}.click(), true)")

    def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Return what a JavaScript expression says once it is true."""
        looking = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {seconds * 1_000};
            const look = () => {{
                const found = {expression};
                if (found) resolve(found);
                else if (performance.now() > end) reject(new Error("still not so"));
                else setTimeout(look, 20);
            }};
            look();
        }})"""
        options = {"awaitPromise": True, "returnByValue": True}
        said = self.command("Runtime.evaluate", expression=looking, **options)
        if "exceptionDetails" in said:
            raise AssertionError(f"{expression}: {said['exceptionDetails']}\n{self.complaints()}")
        return said["result"].get("value")

    def requests(self) -> list[str]:
        """Return the addresses that it asked for."""
        return [event["request"]["url"] for event in self._of("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Return what it complained of: errors, and what the security policy forbade."""
        logged = [event["entry"] for event in self._of("Log.entryAdded")]
        thrown = [str(event["exceptionDetails"]) for event in self._of("Runtime.exceptionThrown")]
        return [e["text"] for e in logged if e["level"] in ("error", "warning")] + thrown

    def _of(self, method: str) -> Iterator[dict[str, Any]]:
        return (event["params"] for event in self.events if event["method"] == method)


def program(cache: Path = CACHE) -> tuple[Path, list[Path]]:
    """
    Return the browser's program, and where libraries lie that the system does not have.

    :raises ServerError: where there is none and apt cannot get it
    """
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found), []
    root = cache / "root"
    if not root.exists():
        _fetch(cache, root)
    libraries = sorted({path.parent for path in (root / "usr/lib").rglob("*.so*")})
    return root / "usr/lib/chromium" / PACKAGE, libraries


def _fetch(cache: Path, root: Path) -> None:
    if shutil.which("apt-get") is None:
        raise ServerError("there is no Chromium: install it, so that `chromium` is on the PATH")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as unfinished:
        folder = Path(unfinished)
        (folder / "state/lists/partial").mkdir(parents=True)
        (folder / "cache/archives/partial").mkdir(parents=True)
        _apt(folder, "update")
        _apt(folder, "install", "--yes", "--no-install-recommends", "--download-only", PACKAGE)
        for package in (folder / "cache/archives").glob("*.deb"):
            _run("dpkg", "-x", str(package), str(folder / "root"))
        try:
            (folder / "root").rename(root)
        except OSError:
            if not root.exists():  # another process may have been first
                raise


def _apt(folder: Path, *arguments: str) -> None:
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
    }
    _run("apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)}: {done.stderr or done.stdout}")


if __name__ == "__main__":
    try:
        print(program()[0])
    except ServerError as error:
        sys.exit(str(error))
