"""Lines from standard input, plain or compressed.

Nobody can read a pipe again: each run is a source of its own, so the same lines piped twice are different events.
"""

from dataclasses import replace
from typing import BinaryIO, Final

from collectors.lines import Origin
from collectors.sources.contents import Advance
from collectors.sources.files import Ingest, LineSource

STREAM_NAME: Final = "stdin"


def ingest_stdin(source: LineSource, stdin: BinaryIO, run_id: str, origin: Origin, advance: Advance = lambda _: None) -> Ingest:
    """Collect the lines of standard input; ``run_id`` tells this run from all others."""
    named = replace(origin, source=origin.source or STREAM_NAME, stream=STREAM_NAME)
    return source.ingest_stream(stdin, named, f"{STREAM_NAME}:{run_id}", advance)
