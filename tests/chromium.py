"""Chromium without a window, spoken to in the DevTools protocol over a pipe: what a test of a page needs of it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_PATIENCE = 120.0  #: seconds; the machine may be busy


class Page:
    """A page that is open, and what it did: `events` as the protocol tells them."""

    def __init__(self, to: int, of: int) -> None:
        self._to, self._of, self._rest = to, of, b""
        self._last, self._session = 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something, and wait for what comes of it."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = self._receive(deadline)
            if found.get("id") == self._last:
                assert "error" not in found, (method, found)
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._of], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "Chromium does not answer."
            chunk = os.read(self._of, 1 << 16)
            assert chunk, "Chromium has ended."
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        done = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression is true."""
        deadline = time.monotonic() + _PATIENCE
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition}; the page says: {self.run('document.body.innerText')}"
            time.sleep(0.05)

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file as a person does."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def look(self, width: int, *, dark: bool = False, height: int = 900) -> bytes:
        """A PNG of the whole page at this width."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        return [
            one["params"]["request"]["url"] for one in self.events if one.get("method") == "Network.requestWillBeSent"
        ]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What stands in the console: exceptions, errors and warnings."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [one for one in self.events if one.get("method") in kinds]


@contextmanager
def opened(address: str, folder: Path, *flags: str) -> Iterator[Page]:
    """The page at this address, in a browser that is ended afterwards; `folder` is for what that writes."""
    assert PROGRAM
    (theirs_in, to), (of, theirs_out) = os.pipe(), os.pipe()

    def place() -> None:  # Chromium reads from 3 and writes to 4
        ends = os.dup(theirs_in), os.dup(theirs_out)
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    command = [PROGRAM, *_FLAGS, *flags, f"--user-data-dir={folder}", "--remote-debugging-pipe"]
    nowhere = subprocess.DEVNULL
    # close_fds would close 3 and 4 behind `place`.
    process = subprocess.Popen(command, preexec_fn=place, close_fds=False, stdout=nowhere, stderr=nowhere)
    for end in (theirs_in, theirs_out):
        os.close(end)
    try:
        page = Page(to, of)
        page.send("Page.navigate", url=address)
        yield page
    finally:
        process.kill()
        process.wait()
        for end in (to, of):
            os.close(end)
