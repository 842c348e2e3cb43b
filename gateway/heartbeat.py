"""The heartbeat: a URL that is requested every so often while all is well, so that an outside watchdog (a dead man's switch, such as healthchecks.io) misses it when it is not.

A beat is sent unless the health is ``ill``. It is sent by a thread of its own with a time-out, so it holds up nothing; a beat that fails is told, and the next one comes at its time. The
URL is a secret (who knows it can keep the watchdog quiet): it comes from the settings alone, redirects are not followed, and no message holds it.

What became of the beats lies in a small file below ``home``, because the process that sends them (``tailrace up``) is not the one that tells of them (the gateway).
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
import urllib3

from tailrace.clock import Clock
from tailrace.durable import make_folders, replace_file
from tailrace.errors import SettingError, TransientError
from tailrace.secrets import secret
from tailrace.settings import Settings

TIMEOUT_S: Final = 5.0
LEAST_EVERY_S: Final = 1.0
SCHEMES: Final = ("https", "http")

Ask = Callable[[], str]
"""Answers why no beat shall be sent; nothing where all is well."""

Send = Callable[[str], None]
"""Requests a URL; raises :class:`TransientError`, whose text does not hold it."""

_log = logging.getLogger(__name__)


class Beats(msgspec.Struct):
    """What became of the beats: how many were sent, failed and were withheld, failures in a row, the last error or reason, when the last was sent, and by which process."""

    pid: int
    sent: int = 0
    failed: int = 0
    withheld: int = 0
    failures: int = 0
    error: str = ""
    last_sent_us: int = 0


def request(url: str) -> None:
    """Request a URL by GET; any answer but 2xx is a failure."""
    try:
        answer = urllib3.request("GET", url, headers={"User-Agent": "tailrace"}, timeout=TIMEOUT_S, retries=False, redirect=False, preload_content=False)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise TransientError(f"no answer ({type(error).__name__})") from None
    answer.close()
    if not 200 <= answer.status < 300:
        raise TransientError(f"the answer was {answer.status}")


class Heartbeat:
    """Sends beats in the background; a context manager. ``ask`` is asked before each."""

    def __init__(self, url: str, every_s: float, note: Path, clock: Clock, ask: Ask, send: Send = request) -> None:
        self._url, self._every_s, self._note, self._clock, self._ask, self._send = _checked(url), max(every_s, LEAST_EVERY_S), note, clock, ask, send
        self.beats = Beats(os.getpid())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start; the first beat is sent at once."""
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """End; a beat that is being sent is not waited for."""
        self._stop.set()

    def beat(self) -> None:
        """Send one beat if all is well, and note what became of it."""
        beats = self.beats
        try:
            why = self._ask()
            if why:
                beats.withheld, beats.error = beats.withheld + 1, f"withheld: {why}"
            else:
                self._send(self._url)
                beats.sent, beats.failures, beats.error, beats.last_sent_us = beats.sent + 1, 0, "", self._clock.now_us()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next beat comes at its time
            text = str(error) if isinstance(error, TransientError) else type(error).__name__
            beats.failed, beats.failures, beats.error = beats.failed + 1, beats.failures + 1, text
            _log.warning("heartbeat: %s", text)
        with suppress(OSError):
            make_folders(self._note.absolute().parent)
            replace_file(self._note, msgspec.json.encode(beats))

    def _run(self) -> None:
        while not self._stop.is_set():
            self.beat()
            self._stop.wait(self._every_s)


def heartbeat_from_settings(settings: Settings, clock: Clock, ask: Ask) -> Heartbeat | None:
    """Answer the heartbeat that the settings ask for, not started yet. Raises :class:`SettingError` where the URL is none."""
    url = secret(settings.heartbeat_url, settings)
    return Heartbeat(url, settings.heartbeat_every_s, settings.heartbeat_path, clock, ask) if url else None


def read_beats(path: Path) -> Mapping[str, Any]:
    """Answer what became of the beats; nothing where the process that sends them is gone, or there is none."""
    try:
        beats = msgspec.json.decode(path.read_bytes(), type=Beats)
    except (OSError, msgspec.MsgspecError):
        return {}
    return msgspec.structs.asdict(beats) if _runs(beats.pid) else {}


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise SettingError("heartbeat_url is no address of https or http")
    return url
