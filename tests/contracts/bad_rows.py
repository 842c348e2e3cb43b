"""Rows that are in the schema and that no sane sender makes; good rows lie between them."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tests.firehose.deliveries import NOON_US

GOOD: Final = ("good first", "good last")
TOO_LONG: Final = 1_200_000
"""Bytes of a message: more than a record of Kinesis (1 MiB), Firehose (1,000 KiB), SQS and SNS (256 KiB) holds."""

KEYS: Final = 50_000
_YEAR_0_US, _YEAR_10000_US = -62_167_219_200_000_000, 253_402_300_800_000_000

TIMES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "1970": 0,
        "1969": -1,
        "2100": 4_102_444_800_000_000,
        "year 0": _YEAR_0_US,
        "before year 0": _YEAR_0_US - 1,
        "year 10000": _YEAR_10000_US,
        "first there is": -(2**63) + 1,
        "last there is": 2**63 - 1,
    }
)
ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no json": "no json",
        "a list": "[1]",
        "a text": '"x"',
        "nothing": "{}",
        "empty key": '{"": 1, " ": 2}',
        "dots": '{".": 1, "a..b": 2, "a.": 3, ".a": 4}',
        "parent and child": '{"a": 1, "a.b": 2, "a.b.c": 3}',
        "names of OpenSearch": '{"_id": "x", "_index": "y", "_source": {}, "_routing": 1}',
        "quotes in a key": r'{"a\"b\\c": 1}',
        "control signs": r'{"\u0000\u001b\n": "\u0000\u001b\u007f"}',
        "half a surrogate pair": r'{"\ud800": "\udfff", "a": "\ud83d"}',
        "the same key twice": '{"a": 1, "a": 2}',
        "deep": '{"a":' * 600 + "1" + "}" * 600,
        "a number of 400 digits": '{"a": ' + "9" * 400 + "}",
        "no number": '{"a": NaN, "b": Infinity}',
        "1e999": '{"a": 1e999}',
        "lines": '{"a":\n1,\r\n"b": 2}',
        "many keys": json.dumps({f"key{n}": n for n in range(KEYS)}),
    }
)
TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {"signs": "".join(map(chr, range(33))) + '"\\\x7f\x85\u2028\ufeff\uffff\U0010ffff', "an action": '{"index":{}}\n{}\n'}
)


def bad_rows() -> list[dict[str, Any]]:
    """Make the rows."""
    numbers = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "smallest": 5e-324, "largest": 1.7976931348623157e308}
    rows: list[dict[str, Any]] = [{"event_id": GOOD[0], "message": "good"}]
    rows += [{"event_id": name, "event_time": at, "observed_time": at} for name, at in TIMES.items()]
    rows += [{"event_id": name, "attributes": text} for name, text in ATTRIBUTES.items()]
    rows += [{"event_id": name, "message": text, "service_name": text, "raw": text, "client_address": text} for name, text in TEXTS.items()]
    rows += [{"event_id": name, "duration_s": value} for name, value in numbers.items()]
    rows += [{"event_id": "whole numbers", "http_response_status_code": -(2**63), "network_bytes": 2**63 - 1}]
    rows += [{"event_id": 'id "of\\signs\n\x00'}, {"event_id": ""}, {"event_id": "x" * 600}, {"event_id": "_id"}]
    rows += [{"event_id": "too long", "message": "x" * TOO_LONG}, {"event_id": GOOD[1], "message": "good", "event_time": NOON_US}]
    return rows
