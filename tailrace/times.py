"""Times within the years 1 to 9999, which every format of dates and Python can write; a column of the lake holds others too, 290,000 years either way."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

FIRST_US: Final = -62_135_596_800_000_000
"""The first moment of the year 1."""

LAST_US: Final = 253_402_300_799_999_999
"""The last one of the year 9999."""


def clamped(times: Any) -> Any:  # noqa: ANN401 - an Arrow array or chunked array of timestamps
    """Answer times of which those outside the years 1 to 9999 are the first or the last moment of them; null stays null."""
    low, high = (pa.scalar(bound, pa.int64()).cast(pa.timestamp("us")) for bound in (FIRST_US, LAST_US))
    return pc.max_element_wise(pc.min_element_wise(times, high, skip_nulls=False), low, skip_nulls=False)


def within(times: Any) -> Any:  # noqa: ANN401 - the same
    """Answer times of which those outside the years 1 to 9999 are null."""
    low, high = (pa.scalar(bound, pa.int64()).cast(pa.timestamp("us")) for bound in (FIRST_US, LAST_US))
    return pc.if_else(pc.and_(pc.greater_equal(times, low), pc.less_equal(times, high)), times, None)
