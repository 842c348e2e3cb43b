"""The name for a column of whatever type: pyarrow's arrays take a parameter for type checkers and none at run time."""

from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

if TYPE_CHECKING:
    AnyArray: TypeAlias = pa.Array[Any]
else:
    AnyArray = pa.Array
