"""Documents of the differential tests: values chosen so that searches meet the edges of each type."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import orjson
from hypothesis import strategies as st

from tailrace.schema import FieldType

NOW_US = 1_795_514_400_000_000
"""2026-11-24T10:00:00Z."""

BASE = datetime(2026, 11, 24, 10)  # noqa: DTZ001 - columns of the lake are UTC without a zone

ATTRIBUTE_TYPES: Mapping[str, FieldType] = MappingProxyType(
    {
        "user.id": FieldType.LONG,
        "price": FieldType.DOUBLE,
        "ok": FieldType.BOOLEAN,
        "tenant": FieldType.KEYWORD,
        "a/b~c": FieldType.KEYWORD,
        "tags": FieldType.KEYWORD,
        "codes": FieldType.LONG,
    }
)

WORDS = (
    "error",
    "Error",
    "timeout",
    "com.shop.Error:",
    "500",
    "order_id=17",
    "payment",
    "ΟΔΟΣ",
    "naïve",
    "İstanbul",
    "日本語",
    "e\u0301a",
    "a-b",
    "x" * 300,
    "𝐀𝐁",
    "ſ",
    "Straße",
    "--",
    "\n",
)
KEYWORDS = ("web", "Web", "web-1", "cart", "", "a*b", "a\\b", "é", "É", "ſ", "k", "10", "true", "web\nx", "日本", "𝐀", "x" * 8191, "y" * 8192, "é" * 8191)
LONGS = (0, 1, -1, 2, 5, 200, 404, 500, 503, 2**53 + 1, -(2**63), 2**63 - 1)
"""The last two are not in documents: sums over them depend on their order."""
DOUBLES = (0.0, 0.1, 0.2, 0.5, -1.5, 1.0, 3.75, 1e10, 1e-7, -2.25)
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.1.7", "2001:db8::1", "2001:DB8:0:0:0:0:0:2", "::ffff:10.0.0.9", "::1", "not-an-ip", "01.2.3.4")

messages = st.tuples(st.sampled_from(WORDS[:8]), st.lists(st.sampled_from(WORDS), max_size=4)).map(lambda two: " ".join([two[0], *two[1]]))
"""Never without a word: Lucene counts such a text as there when it walks the rows, and as missing when it takes the count from its statistics."""
moments = st.builds(
    lambda hours, ms, us: BASE + timedelta(hours=hours, milliseconds=ms, microseconds=us),
    st.integers(-60, 12),
    st.sampled_from([0, 1, 500, 999, 60_000, 1_800_000, 3_599_999]),
    st.sampled_from([0, 1, 499, 999]),
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "user.id": st.one_of(st.sampled_from([1, 2, 3, -7, 2**53 + 1]), st.sampled_from(["1", 1.5, True])),
        "price": st.one_of(st.sampled_from(DOUBLES), st.integers(-3, 3), st.just("cheap")),
        "ok": st.one_of(st.booleans(), st.just("true")),
        "tenant": st.one_of(st.sampled_from(["acme", "Acme", "globex", "", 'a"b']), st.just(5)),
        "a/b~c": st.sampled_from(["x", "y"]),
        "tags": st.one_of(st.lists(st.sampled_from(["red", "Green", "web-1", "y" * 8192]), max_size=3), st.just("red"), st.just(["red", 5])),
        "codes": st.one_of(st.lists(st.sampled_from([1, 5, 500]), max_size=3), st.just(5), st.just([1.5]), st.just(None)),
        "extra": st.sampled_from(["x", "y", 5, True]),
        "deep.er": st.sampled_from(["x", "z"]),
    },
)


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values, values)


row_values = st.fixed_dictionaries(
    {
        "event_time": moments,
        "observed_time": _maybe(moments),
        "severity_text": _maybe(st.sampled_from(["INFO", "WARN", "ERROR"])),
        "severity_number": _maybe(st.sampled_from([9, 13, 17])),
        "message": _maybe(messages),
        "service_name": _maybe(st.sampled_from(KEYWORDS)),
        "host_name": _maybe(st.sampled_from(KEYWORDS)),
        "trace_id": _maybe(st.sampled_from(["0" * 32, "a" * 32])),
        "http_response_status_code": _maybe(st.sampled_from(LONGS[:-2])),
        "duration_s": _maybe(st.sampled_from(DOUBLES)),
        "client_address": _maybe(st.sampled_from(ADDRESSES)),
        "attributes": _maybe(attributes.map(lambda values: orjson.dumps(values).decode())),
    }
)
row_lists = st.lists(row_values, min_size=1, max_size=25)


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the rows their ids, in an order that is not that of their times."""
    return [{"event_id": f"id{number * 7919 % 1000:03}", "revision": 0, **row} for number, row in enumerate(rows)]
