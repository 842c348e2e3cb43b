"""Columns of texts become times: the forms that logs have. Nothing raises: what is no time is null.

Forms with ``|`` between are tried one after another. A form with ``%`` is one of strptime; fractions of a second are read by themselves (``%f``), and without a year (``%Y``, ``%y``) it is that of the receipt, or the one before.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.columns import to_double, to_long
from tailrace.clock import US_PER_DAY, from_datetime
from tailrace.times import LAST_US, within

TIME: Final = pa.timestamp("us")
_DECIMAL: Final = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$"
_FRACTION: Final = r"([0-9]{2}:[0-9]{2}:[0-9]{2})[.,]([0-9]{1,9})"


def to_time(texts: AnyArray, form: str, received_us: int) -> AnyArray:
    """Read times of a form; null where a text is none or lies outside the years 1 to 9999. ``syslog`` has no year: that of the receipt, or the one before."""
    try:
        return within(_reader_of(form)(texts, received_us))
    except pa.ArrowInvalid:
        return within(_one_by_one(texts, form, received_us))


def _reader_of(form: str) -> Callable[[AnyArray, int], AnyArray]:
    if "|" in form:
        return _in_turn(form.split("|"))
    return _strptime(form) if "%" in form else _TIMES[form]


def _in_turn(forms: Sequence[str]) -> Callable[[AnyArray, int], AnyArray]:
    def read(texts: AnyArray, received_us: int) -> AnyArray:
        times: AnyArray = pa.nulls(len(texts), TIME)
        for form in forms:
            left = pc.if_else(pc.is_null(times), texts, None)
            if left.null_count < len(left):
                times = pc.coalesce(times, to_time(left, form, received_us))
        return times

    return read


def _strptime(form: str) -> Callable[[AnyArray, int], AnyArray]:
    def read(texts: AnyArray, received_us: int) -> AnyArray:
        plain = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), " +", " ")
        fractions = pc.struct_field(pc.extract_regex(plain, r"[0-9]{2}:[0-9]{2}:[0-9]{2}[.,](?P<part>[0-9]{1,9})"), "part")
        whole = pc.replace_substring_regex(plain, _FRACTION, r"\1") if "%f" in form else plain
        times = _dated(whole, form.replace(".%f", "").replace(",%f", ""), received_us)
        if "%f" not in form:
            return times
        micros = pc.utf8_slice_codeunits(pc.utf8_rpad(fractions, 6, "0"), 0, 6).cast(pa.int64())
        return pc.add(times.cast(pa.int64()), pc.fill_null(micros, 0)).cast(TIME)

    return read


def _dated(texts: AnyArray, form: str, received_us: int) -> AnyArray:
    if "%Y" in form or "%y" in form:
        times = pc.strptime(texts, format=form, unit="us", error_is_null=True)
        return times.cast(pa.timestamp("us", "UTC")).cast(TIME) if "%z" in form else times.cast(TIME)
    year = datetime.fromtimestamp(received_us // 1_000_000, UTC).year
    this, before = (
        pc.strptime(pc.binary_join_element_wise(str(one), texts, " ", null_handling="emit_null"), format=f"%Y {form}", unit="us", error_is_null=True)
        for one in (year, year - 1)
    )
    ahead = pc.greater(this.cast(pa.int64()), received_us + US_PER_DAY)
    return pc.if_else(pc.fill_null(ahead, True), before, this).cast(TIME)


def _one_by_one(texts: AnyArray, form: str, received_us: int) -> AnyArray:
    values: list[int | None] = []
    for text in texts.to_pylist():
        try:
            found = _reader_of(form)(pa.array([text], pa.string()), received_us)[0] if text is not None else None
            values.append(found.value if found is not None else None)
        except pa.ArrowInvalid:
            values.append(_by_python(str(text)))
    return pa.array(values, pa.int64()).cast(TIME)


def _by_python(text: str) -> int | None:
    try:
        return from_datetime(datetime.fromisoformat(text.strip().replace(",", ".")))
    except (ValueError, OverflowError):
        return None


def _iso(texts: AnyArray, received_us: int) -> AnyArray:
    del received_us
    zoned = pc.replace_substring_regex(pc.replace_substring_regex(texts, "([0-9]),([0-9])", r"\1.\2"), r"(\.[0-9]{6})[0-9]+", r"\1")
    has_zone = pc.match_substring_regex(zoned, r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
    with_zone = pc.if_else(pc.fill_null(has_zone, True), zoned, pc.binary_join_element_wise(zoned, "Z", "", null_handling="emit_null"))
    return with_zone.cast(pa.timestamp("us", "UTC")).cast(TIME)


def _epoch(unit_us: float) -> Callable[[AnyArray, int], AnyArray]:
    def read(texts: AnyArray, received_us: int) -> AnyArray:
        del received_us
        values, _ = to_double(texts)
        return _in_range(pc.multiply(values, unit_us))

    return read


def _in_range(micros: AnyArray) -> AnyArray:
    good = pc.and_(pc.greater(micros, 0.0), pc.less(micros, float(LAST_US)))
    return pc.round(pc.if_else(good, micros, None)).cast(pa.int64()).cast(TIME)


def _clf(texts: AnyArray, received_us: int) -> AnyArray:
    """Common log format: ``10/Oct/2000:13:55:36 -0700``."""
    del received_us
    local = pc.strptime(pc.utf8_slice_codeunits(texts, 0, 20), format="%d/%b/%Y:%H:%M:%S", unit="us")
    times = pc.strptime(texts, format="%d/%b/%Y:%H:%M:%S %z", unit="us").cast(pa.timestamp("us", "UTC")).cast(TIME)
    return pc.if_else(pc.equal(pc.day(local), pc.utf8_slice_codeunits(texts, 0, 2).cast(pa.int64())), times, None)


def _syslog(texts: AnyArray, received_us: int) -> AnyArray:
    """RFC 3164: ``Oct  9 22:14:15``, in the year of the receipt, or the one before where that would lie more than a day ahead."""
    year = datetime.fromtimestamp(received_us // 1_000_000, UTC).year
    plain = pc.replace_substring_regex(texts, " +", " ")
    this, before = (_in_year(plain, one) for one in (year, year - 1))
    ahead = pc.greater(this.cast(pa.int64()), received_us + US_PER_DAY)
    return pc.if_else(pc.fill_null(ahead, True), before, this)


def _in_year(plain: AnyArray, year: int) -> AnyArray:
    """Read days that the year has; ``strptime`` takes the 31st of February for the 3rd of March."""
    dated = pc.binary_join_element_wise(str(year), plain, " ", null_handling="emit_null")
    times = pc.strptime(dated, format="%Y %b %d %H:%M:%S", unit="us", error_is_null=True)
    days = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(plain, 4, 6))
    return pc.if_else(pc.equal(pc.day(times).cast(pa.string()), pc.utf8_ltrim(days, "0")), times, None)


def _auto(texts: AnyArray, received_us: int) -> AnyArray:
    """Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970 by their size; all else is ISO 8601."""
    numeric = pc.fill_null(pc.match_substring_regex(texts, _DECIMAL), False)
    if not pc.any(numeric, min_count=0).as_py():
        return _iso(texts, received_us)
    rest = pc.if_else(numeric, None, texts)
    return pc.coalesce(_since_1970(pc.if_else(numeric, texts, None)), to_time(rest, "iso", received_us))


def _since_1970(texts: AnyArray) -> AnyArray:
    """Read whole numbers exactly, others as doubles."""
    whole, broken = to_long(texts)
    values, _ = to_double(texts)
    sizes = [pc.less(values, limit) for limit in (1e11, 1e14, 1e17)]
    fine = _in_range(pc.case_when(pc.make_struct(*sizes), pc.multiply(values, 1e6), pc.multiply(values, 1e3), values, pc.divide(values, 1e3)))
    if broken is not None:
        return fine
    exact = pc.case_when(pc.make_struct(*sizes[1:]), pc.multiply(whole, 1_000), whole, pc.divide(whole, 1_000))
    return pc.if_else(sizes[0], fine, pc.if_else(pc.is_valid(fine), exact, None).cast(TIME))


_TIMES: Final[Mapping[str, Callable[[AnyArray, int], AnyArray]]] = MappingProxyType(
    {"iso": _iso, "epoch_s": _epoch(1e6), "epoch_ms": _epoch(1e3), "clf": _clf, "syslog": _syslog, "auto": _auto}
)
