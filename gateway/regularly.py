"""What the gateway writes of itself every so often, in a thread of its own, which nothing that goes wrong in it ends."""

import logging
import threading
from typing import Final, Self

from tailrace.errors import TransientError

STOP_WITHIN_S: Final = 5.0
_log = logging.getLogger(__name__)


class Regularly:
    """Calls :meth:`write` every so many seconds, the first time after the first of them; a context manager. ``what`` it writes is for the log."""

    def __init__(self, what: str, every_s: float) -> None:
        self._what, self._every_s = what, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=what.replace(" ", "-"), daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """End, after the rows that are being put."""
        self._stop.set()
        self._thread.join(STOP_WITHIN_S)

    def write(self) -> int:
        """Put the rows of this moment; answer how many. Raises :class:`TransientError` where they are not taken: they are left out."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.write()
            except TransientError as error:
                _log.warning("%s are left out: %s", self._what, error)
            except Exception:  # noqa: BLE001 - whatever it is, the next ones come at their time
                _log.exception("%s", self._what)
