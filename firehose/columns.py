"""Between Arrow's columns and numpy's arrays: the few conversions that the write path needs, typed once.

``compute`` is ``pyarrow.compute``; the stubs of pyarrow know fewer of its overloads than there are.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

compute: Final[Any] = pyarrow.compute

Ints = npt.NDArray[np.int64]

_WIDE: Final = (pa.int64(), pa.timestamp("us"))
"""Types whose values lie in memory as 64-bit integers."""


def one_array(table: pa.Table, column: str) -> Any:  # noqa: ANN401 - an Arrow array of the column's type
    """Answer a column as one array, its chunks joined."""
    found = table.column(column)
    return joined_chunks(found) if found.num_chunks else pa.array([], found.type)


def joined_chunks(column: Any) -> Any:  # noqa: ANN401 - an Arrow chunked array, an array of its type
    """Answer a column of at least one chunk as one array; one chunk is it already."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def ints(table: pa.Table, column: str) -> Ints:
    """Answer a column of numbers or times as integers; what is null is 0."""
    found = table.column(column)
    if len(found) and found.num_chunks == 1 and not found.null_count and found.type in _WIDE:
        chunk = joined_chunks(found)  # as it lies in memory: a call of Arrow's costs a short table as much as a long one
        return np.frombuffer(chunk.buffers()[1], np.int64, len(chunk), chunk.offset * 8)
    return np.asarray(compute.fill_null(table.column(column).cast(pa.int64()), 0).to_numpy(), np.int64)


def nulls(table: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    """Answer where a column is null."""
    return np.asarray(compute.is_null(table.column(column)).to_numpy(), np.bool_)


def take(table: pa.Table, rows: Ints) -> pa.Table:
    """Answer some rows of a table, in that order."""
    picked: Any = pa.array(rows)
    return table.take(picked)
