"""What an estimate of costs assumes: each a value and the range in which it may lie, and every one of them can be said better with ``--assume name=value``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from tailrace.errors import UsageError, nearest

Case = Literal["low", "likely", "high"]
CASES: Final[tuple[Case, ...]] = ("low", "likely", "high")


@dataclass(frozen=True, slots=True)
class Assumption:
    """A guess: its likely value, and those with which the cost is low and high (``low`` may be the larger number)."""

    name: str
    low: float
    likely: float
    high: float
    unit: str
    why: str
    given: bool = False

    def at(self, case: Case) -> float:
        """Answer the value in a case."""
        return {"low": self.low, "likely": self.likely, "high": self.high}[case]


ASSUMPTIONS: Final = (
    Assumption("filter_share", 1, 1, 1, "", "part of the events that the filter pattern lets through"),
    Assumption("payload_bytes", 262_144, 65_536, 8_192, "bytes", "events in one payload of CloudWatch Logs, before compression; not documented"),
    Assumption("payload_s", 60, 10, 1, "s", "seconds after which CloudWatch Logs sends a payload that is not full; not documented"),
    Assumption("gzip_ratio", 10, 6, 4, "", "how often smaller payloads are compressed; 6.3 was measured on Apache lines"),
    Assumption("payloads_per_call", 25, 10, 1, "", "payloads that one call of the function gets from a Kinesis stream; from a subscription it is 1"),
    Assumption("lambda_memory_mb", 512, 512, 512, "MB", "memory of the collector's function"),
    Assumption("lambda_call_ms", 20, 60, 200, "ms", "duration of a call without its events: decoding, and the answer of Firehose"),
    Assumption("lambda_event_us", 20, 40, 200, "us", "duration that each event adds, with the share of a CPU that 512 MB have"),
    Assumption("own_log_bytes", 400, 700, 1_500, "bytes", "what a call of the function writes to its own log group"),
    Assumption("document_factor", 1.5, 2.6, 3.5, "", "bytes of a row as JSON for each byte of its line; measured on the test lines of the formats"),
    Assumption("document_overhead", 300, 480, 700, "bytes", "bytes of a row as JSON beside that: ids, times, names; measured in the same way"),
    Assumption("firehose_convert", 1, 1, 1, "", "1: Firehose writes the lake's Parquet; 0: it writes JSON"),
    Assumption("firehose_partition", 1, 1, 1, "", "1: Firehose parts the lake by event hour; 0: it does not"),
    Assumption("firehose_buffer_s", 900, 300, 60, "s", "seconds after which Firehose writes an object of the lake"),
    Assumption("search_days", 14, 14, 14, "days", "how long events are kept in OpenSearch"),
    Assumption("search_replicas", 1, 1, 1, "", "copies of each index in OpenSearch beside the first"),
    Assumption(
        "search_expansion", 0.6, 1.0, 1.45, "", "disk for each byte of JSON in OpenSearch, room to spare included; 1.45 is the rule of AWS's sizing guide"
    ),
    Assumption("search_nodes", 0, 0, 0, "", "data nodes that are added to the OpenSearch domain; 0: it is there and has room"),
    Assumption("lake_days", 365, 365, 365, "days", "how long the lake keeps events"),
    Assumption("lake_ratio", 0.1, 0.2, 0.4, "", "bytes of Parquet for each byte of a line; 0.2 was measured with zstd"),
    Assumption("scans", 0.5, 2, 20, "", "how often queries scan a month's new part of the lake, in a month"),
    Assumption("peak", 1.5, 3, 10, "", "how much more than on average comes at the busiest time: what shards are made for"),
)
"""The order is that in which they are shown. Sizing of OpenSearch: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/bp-storage.html."""


def assumptions(given: Mapping[str, float] = MappingProxyType({})) -> tuple[Assumption, ...]:
    """Answer all assumptions; those that were given have one value."""
    names = {one.name for one in ASSUMPTIONS}
    for name in given:
        if name not in names:
            raise UsageError(f"no such assumption: {name}{nearest(name, names)}")
    return tuple(
        replace(one, low=given[one.name], likely=given[one.name], high=given[one.name], given=True) if one.name in given else one for one in ASSUMPTIONS
    )


def values(found: Iterable[Assumption], case: Case) -> Mapping[str, float]:
    """Answer the values in a case, by name."""
    return {one.name: one.at(case) for one in found}


def read_given(texts: Iterable[str]) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Read ``name=value``: assumptions, and prices (their names have a dot).

    >>> read_given(["search_days=7", "firehose.ingest=0.03"])
    ({'search_days': 7.0}, {'firehose.ingest': 0.03})
    """
    guesses: dict[str, float] = {}
    prices: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not name or not 0 <= number < float("inf"):
            raise UsageError(f"not name=value with a number of 0 or more: {text!r}")
        (prices if "." in name else guesses)[name] = number
    return guesses, prices
