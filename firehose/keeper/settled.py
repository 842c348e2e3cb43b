"""Which fresh parts will never be written again.

A sink that was killed between a part and its cursor writes the same part again. Had the keeper merged and forgotten it meanwhile, its rows would count twice. So a fresh part
of this machine's spool is merged only after the lake's cursor has passed its batch. Of parts of other producers that is not known: they are merged, and the partition's state
remembers for good that they no longer count.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from firehose.cursor import load
from firehose.disk import LocalDisk
from firehose.frame import Position
from firehose.routes import LAKE

Settled = Literal["yes", "no", "unknown"]
IsSettled = Callable[[str], Settled]

_FRESH: Final = re.compile(r"f-([0-9a-f]+)-(\d+)-(\d+)-(\d+)\.parquet")


def settled_by(spool_folder: Path) -> IsSettled:
    """Answer the question as it stands now, from the spool's identity and the lake's cursor."""
    identity = spool_folder / "identity"
    producer = identity.read_text("ascii", "replace")[:8] if identity.exists() else ""
    found = load(spool_folder / f"cursor-{LAKE}.bin", LocalDisk())
    passed = found[1].position if found else Position(0, 0)
    return lambda name: _judge(name, producer, passed)


def _judge(name: str, producer: str, passed: Position) -> Settled:
    if name.startswith("m-"):
        return "yes"
    match = _FRESH.fullmatch(name)
    if match is None or match[1] != producer:
        return "unknown"
    return "yes" if Position(int(match[2]), int(match[4])) <= passed else "no"
