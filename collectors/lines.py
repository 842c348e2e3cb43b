"""What every way in gives to the parsers: a run of lines of one origin, in columns."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Origin:
    """Where lines came from; what is not known is an empty text.

    ``source`` names it in the ledger, at most 256 characters: ``cloudwatch:/aws/lambda/checkout``, ``file:/var/log/syslog``, ``stdin``, ``gateway:bulk``.
    ``stream`` is the index name that a ``_bulk`` client wrote to, else the kind of the source (``cloudwatch``, ``file``, ...).
    """

    source: str
    stream: str
    account: str = ""
    region: str = ""
    log_group: str = ""
    log_stream: str = ""
    host: str = ""
    service: str = ""
    format: str = ""
    """The name of the format, where the user said it; empty: detect it."""
    ledger: str = ""
    """The name in the ledger where ``source`` names too small a thing to be counted by itself (an object of a bucket); empty: ``source``."""

    key: str = ""
    """The key of the object or the path of the file that the lines lie in."""

    @property
    def counted_as(self) -> str:
        """Under which name it is in the ledger."""
        return self.ledger or self.source


@dataclass(frozen=True, slots=True)
class Lines:
    """Log lines of one origin, or of several log streams of one log group, in the order of arrival.

    ``text``: the lines without their line ends (string, never null; invalid UTF-8 was replaced before). ``event_id``: string, never null, unique.
    ``event_time``: timestamp[us], UTC; null where the envelope gives none: then the line's own time counts, else ``received_us``.
    ``known``: what the sender said beside the lines (``collectors.known``); it counts before what a line says. ``whole``: each line is an event of its own, and joined to no other.
    ``log_stream``: that of each line (string, null: none) where they are of several, and their origin names none then; ``None``: the origin's.
    """

    origin: Origin
    received_us: int
    text: pa.StringArray
    event_id: pa.StringArray
    event_time: pa.TimestampArray
    known: pa.Table | None = None
    whole: bool = False
    log_stream: pa.StringArray | None = None

    def __len__(self) -> int:
        """How many lines."""
        return len(self.text)
