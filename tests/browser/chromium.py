"""Headless Chromium by its DevTools protocol: as much as the browser tests need, and no driver of its own.

https://chromedevtools.github.io/devtools-protocol/. One page; commands are answered in order, events are kept.
"""

import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Chromium:
    """A browser with one page, in a profile of its own."""

    def __init__(self, profile: Path) -> None:
        self._profile, self._numbers = profile, itertools.count(1)
        self.requested: list[str] = []
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(program()), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        port_file, until = self._profile / "DevToolsActivePort", time.monotonic() + 30
        while not port_file.exists() or len(port_file.read_text().splitlines()) < 2:
            assert time.monotonic() < until, "Chromium does not come up"
            time.sleep(0.05)
        port, path = port_file.read_text().splitlines()[:2]
        self._browser = connect(f"ws://127.0.0.1:{port}{path}", max_size=None)
        target = self._call(self._browser, "Target.createTarget", url="about:blank")["targetId"]
        self._page = connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None)
        for domain in ("Page", "Runtime", "Network"):
            self._call(self._page, f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._page.close()
        self._browser.close()
        self._process.terminate()
        self._process.wait(10)

    def size(self, width: int, height: int) -> None:
        self._call(self._page, "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def goto(self, url: str) -> None:
        self._call(self._page, "Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        return self._call(self._page, "Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str, within_s: float = 40) -> Any:
        until = time.monotonic() + within_s
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < until, f"not within {within_s} s: {expression}\n{self.evaluate('document.body.innerText')[:2000]}"
            time.sleep(0.1)
        return found

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self._call(self._page, "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def _call(self, socket: ClientConnection, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            told = json.loads(socket.recv(timeout=60))
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            self._note(told)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Network.requestWillBeSent":
            self.requested.append(event["params"]["request"]["url"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(event["params"]["exceptionDetails"]))
