"""How the process of the gateway ends: the first SIGINT or SIGTERM asks it to, the second ends it at once, and so does time.

What was acknowledged is synced, and a process that is killed loses nothing; so a sink, a bucket or a client that hangs is not waited for longer than :data:`END_WITHIN_S`.
"""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Final

import uvicorn

END_WITHIN_S: Final = 7.0
"""From the first signal on; ``tailrace up`` kills what is left after 8 s, systemd and containers after 10 s or more."""


def end_on_signals(server: uvicorn.Server) -> None:
    """Let a server, and then the process, end as this module says; signals that come after the server has ended count too."""
    asked = threading.Event()

    def take(sig: int, frame: FrameType | None) -> None:
        del frame
        if asked.is_set():
            os._exit(128 + sig)
        asked.set()
        server.should_exit = True
        timer = threading.Timer(END_WITHIN_S, _give_up)
        timer.daemon = True
        timer.start()

    server.handle_exit = take  # type: ignore[method-assign] # uvicorn's own would send the signals on when it has ended
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, take)


def _give_up() -> None:
    left = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    logging.getLogger(__name__).warning("ends without waiting longer for: %s", ", ".join(left))
    os._exit(0)
