"""A headless Chromium that opens pages from disk and says what it met, by the DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
#: Seconds that the browser has for starting, and for an answer.
PATIENCE = 60

#: What a page measures once it is loaded: its overflow, what it lacks, what its images are.
_MEASURED = """JSON.stringify({
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  words: document.body.innerText.length,
  encoding: document.characterSet,
  images: [...document.images].map(image => ({
    alt: image.alt, width: image.clientWidth, height: image.clientHeight, drawn: image.naturalWidth
  })),
})"""


@dataclass
class Visit:
    """What a browser met on a page at one width.

    Attributes:
        requests: addresses that were asked for, the page itself left out.
        errors: messages of the console, of scripts and of failed loads.
        measured: overflow in pixels, characters of text, encoding, images.
        picture: a PNG of the whole page; empty unless asked for.
        answer: what the script that was run on the page came to.
    """

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    picture: bytes = b""
    answer: Any = None


def visits(
    pages: Sequence[Path],
    widths: Sequence[int],
    *,
    dark: bool = False,
    pictures: bool = False,
    script: str = "",
) -> dict[tuple[Path, int], Visit]:
    """Open each page at each width, one after the other in one browser; run the script on each."""
    # Processes of a browser that was killed may write for a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # No sandbox: containers forbid it to root.
        command = [
            str(PROGRAM), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-background-networking",
            "--disable-component-update",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": profile},
        ) as browser:  # fmt: skip
            try:
                address = _address(browser)
                return asyncio.run(_visit_all(address, pages, widths, dark, pictures, script))
            finally:
                browser.kill()


def _address(browser: subprocess.Popen[str]) -> str:
    said = []
    assert browser.stderr
    for line in browser.stderr:
        said.append(line)
        if found := re.search(r"ws://\S+", line):
            return found[0]
    raise AssertionError(f"{PROGRAM} did not start: {''.join(said)}")


class _Tab:
    """A tab: calls are answered, events are kept."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection, self.session = connection, ""
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        await self.connection.write_message(json.dumps(message))
        while (answer := await self._next()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    async def until(self, method: str) -> None:
        while not any(event.get("method") == method for event in self.events):
            self.events.append(await self._next())

    async def _next(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.connection.read_message(), PATIENCE)
        return dict(json.loads(message or "{}"))


async def _visit_all(
    address: str,
    pages: Sequence[Path],
    widths: Sequence[int],
    dark: bool,
    pictures: bool,
    script: str,
) -> dict[tuple[Path, int], Visit]:
    connection = await websocket_connect(address, max_message_size=1 << 28)
    tab = _Tab(connection)
    target = await tab.call("Target.createTarget", url="about:blank")
    attached = await tab.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    tab.session = attached["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        await tab.call(f"{domain}.enable")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await tab.call("Emulation.setEmulatedMedia", features=[scheme])
    return {
        (page, width): await _visit(tab, page, width, pictures, script)
        for width in widths
        for page in pages
    }


async def _visit(tab: _Tab, page: Path, width: int, pictures: bool, script: str) -> Visit:
    tab.events.clear()
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 800}
    await tab.call("Emulation.setDeviceMetricsOverride", **screen)
    address = page.resolve().as_uri()
    await tab.call("Page.navigate", url=address)
    await tab.until("Page.loadEventFired")
    found = await tab.call("Runtime.evaluate", expression=_MEASURED)
    visit = Visit(measured=json.loads(found["result"]["value"]))
    if script:
        answer = await tab.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        visit.answer = answer["result"].get("value")
    if pictures:
        shot = await tab.call("Page.captureScreenshot", captureBeyondViewport=True)
        visit.picture = base64.b64decode(shot["data"])
    for event in tab.events:
        _note(visit, event, address)
    return visit


def _note(visit: Visit, event: dict[str, Any], address: str) -> None:
    told = event.get("params", {})
    match event.get("method"):
        case "Network.requestWillBeSent" if told["request"]["url"] != address:
            visit.requests.append(told["request"]["url"][:200])
        case "Network.loadingFailed":
            visit.errors.append(f"not loaded: {told['errorText']}")
        case "Runtime.exceptionThrown":
            visit.errors.append(told["exceptionDetails"]["text"])
        case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning"):
            visit.errors.append(str(told["args"]))
        case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
            visit.errors.append(told["entry"]["text"])


def check(pages: Sequence[Path], *, dark: bool = False) -> None:
    """Open pages as a telephone and a desk would: whole, in silence, and nothing off the machine.

    Raises:
        AssertionError: a page is blank or wider than the screen, has an image that is not drawn,
            logs an error, or asks for what is not on disk.
    """
    assert pages
    for (page, width), visit in visits(pages, (400, 1600), dark=dark).items():
        where = f"{page.name} at {width} px"
        assert visit.errors == [], where
        abroad = [each for each in visit.requests if not each.startswith(("file:", "data:"))]
        assert abroad == [], where
        measured = visit.measured
        assert measured["overflow"] <= 0, where
        assert measured["words"] > 100, where
        assert measured["encoding"] == "UTF-8", where
        for image in measured["images"]:
            assert min(image["width"], image["height"], image["drawn"]) > 0, (where, image)
