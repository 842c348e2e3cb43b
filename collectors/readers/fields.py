"""What a reader answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from collectors.arrays import AnyArray
from collectors.format import Format
from tailrace.schema import FieldType


@dataclass(frozen=True, slots=True)
class Fields:
    """Columns by source name, each as long as the lines; null where a line has none. They are texts, or of a type already.

    ``reason``: why a line could not be read at all; null where it could. ``attributes``: JSON texts of objects, flattened, that join the attributes of the format's own columns.
    ``faults``: why a line could be read in part only. ``headers``: lines that name columns and are no events. ``types``: types of attributes that may be learned.
    ``names``: the name that a column has in the lines, where it is another. ``nulls``: texts that are null already.
    """

    columns: Mapping[str, AnyArray]
    reason: AnyArray
    attributes: AnyArray | None = None
    headers: AnyArray | None = None
    types: Mapping[str, FieldType] = field(default_factory=lambda: MappingProxyType({}))
    faults: AnyArray | None = None
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    nulls: tuple[str, ...] = ()


Reader = Callable[[Format, AnyArray, str], Fields]
"""A format, lines, and the name of their source (a header that was seen there before counts for later lines)."""
