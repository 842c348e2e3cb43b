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


def one_array(table: pa.Table, column: str) -> Any:  # noqa: ANN401 - an Arrow array of the column's type
    """Answer a column as one array, its chunks joined."""
    chunks = table.column(column).chunks
    return pa.concat_arrays(chunks) if chunks else pa.array([], table.schema.field(column).type)


def ints(table: pa.Table, column: str) -> Ints:
    """Answer a column of numbers or times as integers; what is null is 0."""
    return np.asarray(compute.fill_null(table.column(column).cast(pa.int64()), 0).to_numpy(), np.int64)


def nulls(table: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    """Answer where a column is null."""
    return np.asarray(compute.is_null(table.column(column)).to_numpy(), np.bool_)


def text_bytes(texts: Any) -> tuple[Ints, npt.NDArray[np.uint8]]:  # noqa: ANN401 - an Arrow array of strings
    """Answer where each text begins, and where the last one ends, in the bytes of them all."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    data = texts.buffers()[2]
    return offsets, np.frombuffer(b"" if data is None else data, np.uint8)


def take(table: pa.Table, rows: Ints) -> pa.Table:
    """Answer some rows of a table, in that order."""
    picked: Any = pa.array(rows)
    return table.take(picked)
