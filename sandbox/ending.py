"""How the parts of the sandbox are told to end."""

import signal
import threading


def end_event() -> threading.Event:
    """Answer an event that SIGTERM or SIGINT sets; call it in the main thread."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
