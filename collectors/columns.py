"""Columns of texts become columns of types: numbers, addresses, times, ids, severities. A value that is none makes its line partial, with the column's name; nothing raises.

Everything works on whole columns (``pyarrow.compute``); a value is only looked at alone where the column as a whole cannot be read.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, unquote_plus

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.hex_ids import whole_span_ids, whole_trace_ids
from tailrace.ids import normal_span_id, normal_trace_id
from tailrace.schema import SEVERITIES

_LONG: Final = r"^-?[0-9]{1,18}$"
_WHOLE_DOUBLE: Final = r"^-?[0-9]{1,15}\.0+$"
_DOUBLE: Final = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$"
_IPV4: Final = r"^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$"
_XRAY_ID: Final = r"^1-[0-9a-f]{8}-[0-9a-f]{24}$"
_HEX32: Final = r"^[0-9a-f]{32}$"
_HEX16: Final = r"^[0-9a-f]{16}$"

LEVELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{name: name for name in SEVERITIES},
        "WARNING": "WARN",
        "ERR": "ERROR",
        "SEVERE": "ERROR",
        "CRITICAL": "FATAL",
        "CRIT": "FATAL",
        "EMERG": "FATAL",
        "EMERGENCY": "FATAL",
        "ALERT": "FATAL",
        "PANIC": "FATAL",
        "NOTICE": "INFO",
        "INFORMATION": "INFO",
        "INFORMATIONAL": "INFO",
        "LOG": "INFO",
        "FINE": "DEBUG",
        "FINER": "TRACE",
        "FINEST": "TRACE",
        "VERBOSE": "DEBUG",
        "HTTP": "INFO",
        "SILLY": "TRACE",
        "DPANIC": "FATAL",
        "TRACEBACK": "ERROR",
        "EXCEPTION": "ERROR",
        "FAILURE": "ERROR",
        "E": "ERROR",
        "W": "WARN",
        "I": "INFO",
        "D": "DEBUG",
        "F": "FATAL",
        "0": "FATAL",
        "1": "FATAL",
        "2": "FATAL",
        "3": "ERROR",
        "4": "WARN",
        "5": "INFO",
        "6": "INFO",
        "7": "DEBUG",
        "10": "TRACE",
        "20": "DEBUG",
        "30": "INFO",
        "40": "WARN",
        "50": "ERROR",
        "60": "FATAL",
    }
)
"""What libraries call their levels; numbers from 0 to 7 are syslog's (and GELF's), from 10 to 60 pino's and bunyan's."""

_STEPS: Final = re.compile(r"(?<=[A-Z])[+-][0-9]{1,3}$")
"""What Go's slog writes behind a level for one that lies between two: ``INFO+2``."""

ANY: Final = "*"
"""Stands for all other words."""

NO_WORDS: Final[Mapping[str, str]] = MappingProxyType({})
Cast = Callable[[AnyArray], tuple[AnyArray, AnyArray | None]]
"""Texts go in (null: none), or values of a type already; typed values come out, and which were not of the type (``None``: all were)."""


def to_long(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Read whole numbers of 64 bits; ``12.0`` is 12."""
    try:
        return texts.cast(pa.int64()), None
    except pa.ArrowInvalid:
        return _checked(pc.replace_substring_regex(texts.cast(pa.string()), r"^(-?[0-9]{1,15})\.0+$", r"\1"), _LONG, pa.int64())


def to_double(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Read decimal numbers; not NaN, not infinity."""
    try:
        values = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return _checked(texts, _DOUBLE, pa.float64())
    if pc.all(pc.is_finite(values), min_count=0).as_py():
        return values, None
    return _checked(texts.cast(pa.string()), _DOUBLE, pa.float64())


def _checked(texts: AnyArray, pattern: str, kind: pa.DataType) -> tuple[AnyArray, AnyArray]:
    good = pc.fill_null(pc.match_substring_regex(texts, pattern), True)
    return pc.if_else(good, texts, None).cast(kind), pc.invert(good)


def decoded(texts: AnyArray, *, plus: bool = False) -> AnyArray:
    """Undo the percent-encoding of a URL in each different text; with ``plus``, a plus sign is a blank."""
    coded = texts.dictionary_encode()
    undo = unquote_plus if plus else unquote
    return pa.array([None if text is None else undo(str(text)) for text in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def worded(texts: AnyArray, words: Sequence[tuple[str, str]]) -> AnyArray:
    """Put other words in the place of the log's own; ``*`` stands for those that are not among them, which stay without it."""
    found = pc.index_in(texts, pa.array([word for word, _ in words], pa.string()))
    named = pa.array([other for _, other in words], pa.string()).take(found)
    rest = dict(words).get(ANY)
    return pc.coalesce(named, texts if rest is None else pc.if_else(pc.is_valid(texts), rest, None))


def to_keyword(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Texts stay texts."""
    return texts if texts.type == pa.string() else texts.cast(pa.string()), None


def to_ip(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Read IP addresses: version 4 by a pattern, the others one by one, in their shortest form."""
    return _mended(texts, texts, pc.match_substring_regex(texts, _IPV4), _address)


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None


def to_trace_id(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Bring trace ids to 32 hex digits; X-Ray's and those of load balancers (``Root=1-...``) as whole columns, others one by one."""
    if (known := whole_trace_ids(texts)) is not None:
        return known, None
    hexes = _hex(texts, _HEX32)
    if pc.any(hexes, min_count=0).as_py():
        return _mended(texts, texts, hexes, _trace_id)
    short = pc.if_else(pc.starts_with(texts, "Root="), pc.utf8_slice_codeunits(texts, len("Root=")), texts)
    joined = pc.binary_join_element_wise(pc.utf8_slice_codeunits(short, 2, 10), pc.utf8_slice_codeunits(short, 11), "")
    return _mended(texts, joined, pc.match_substring_regex(short, _XRAY_ID), _trace_id)


def _trace_id(text: str) -> str | None:
    """Read one id; one of 64 bits, as Zipkin's libraries write them, is the right half of one of 128 (https://github.com/openzipkin/b3-propagation#traceid)."""
    half = normal_span_id(text)
    return half.rjust(32, "0") if half else normal_trace_id(text)


def to_span_id(texts: AnyArray) -> tuple[AnyArray, AnyArray | None]:
    """Bring span ids to 16 hex digits."""
    if (known := whole_span_ids(texts)) is not None:
        return known, None
    return _mended(texts, texts, _hex(texts, _HEX16), normal_span_id)


def _hex(texts: AnyArray, pattern: str) -> AnyArray:
    """Match ids that are not all zeros, which stand for none."""
    return pc.and_(pc.match_substring_regex(texts, pattern), pc.match_substring_regex(texts, "[1-9a-f]"))


def _mended(texts: AnyArray, values: AnyArray, good: AnyArray, read: Callable[[str], str | None]) -> tuple[AnyArray, AnyArray | None]:
    """Read one by one what the pattern of the column did not match; answer all values, and which texts were none."""
    if pc.all(good, min_count=0).as_py():
        return values, None
    missed = pc.invert(pc.fill_null(good, True))
    mended = pa.array([read(str(text)) for text in texts.filter(missed)], pa.string())
    found = pc.replace_with_mask(values, missed, mended)
    return found, pc.and_(missed, pc.is_null(found)) if mended.null_count else None


CASTS: Final[Mapping[str, Cast]] = MappingProxyType(
    {"keyword": to_keyword, "long": to_long, "double": to_double, "ip": to_ip, "trace_id": to_trace_id, "span_id": to_span_id}
)


def to_severity(texts: AnyArray, own: Mapping[str, str] = NO_WORDS) -> tuple[AnyArray, AnyArray]:
    """Bring level words and numbers to the six severities and OpenTelemetry's numbers; what is none is left out. ``own`` are the words of the format, in capitals."""
    coded = texts.dictionary_encode()
    asked = [_STEPS.sub("", str(word).strip().strip("[]").upper()) for word in coded.dictionary.to_pylist()]
    words = [own.get(word, LEVELS.get(word, own.get(ANY))) or None for word in asked]
    indices = coded.indices
    numbers = [SEVERITIES[word] if word else None for word in words]
    return pa.array(words, pa.string()).take(indices), pa.array(numbers, pa.int64()).take(indices)


def severity_of_threshold(texts: AnyArray, thresholds: Mapping[str, str]) -> AnyArray:
    """Answer the severity of the highest threshold that a number reaches; null where there is none."""
    numbers, _ = to_double(texts)
    found: AnyArray = pa.nulls(len(texts), pa.string())
    for limit, severity in sorted((float(limit), severity) for limit, severity in thresholds.items()):
        found = pc.if_else(pc.fill_null(pc.greater_equal(numbers, limit), False), severity, found)
    return found


def level_of_priority(priorities: AnyArray) -> AnyArray:
    """Answer syslog's level of a priority: the remainder of 8 (https://www.rfc-editor.org/rfc/rfc5424#section-6.2.1)."""
    numbers, _ = to_long(priorities)
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, 8), 8)).cast(pa.string())


def severity_of_status(statuses: AnyArray) -> AnyArray:
    """Answer a severity for HTTP status codes: 5xx ERROR, 4xx WARN, else INFO; null where there is none."""
    low = pc.if_else(pc.greater_equal(statuses, 400), "WARN", "INFO")
    return pc.if_else(pc.is_null(statuses), pa.scalar(None, pa.string()), pc.if_else(pc.greater_equal(statuses, 500), "ERROR", low))
