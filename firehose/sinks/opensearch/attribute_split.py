"""The attributes of documents: those that the register types go to ``attributes``, the rest, as texts, to ``attributes_other``.

Most rows hold known names of the right types and nothing else: a msgspec struct with a typed field for each name that was met says so for hundreds of rows in one call, and
their JSON text is used as it is. The other rows are read one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import orjson
import pyarrow as pa
from msgspec import UNSET, Meta, UnsetType

from firehose.columns import compute
from tailrace.schema import FieldType

ROWS_AT_ONCE: Final = 256
UNREADABLE: Final = "_unreadable"
"""The name in ``attributes_other`` of a text that is no JSON object."""

_Long = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Time = Annotated[str, Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-5][0-9])?)?$")]

_TYPES: Final[Mapping[FieldType, Any]] = {
    FieldType.LONG: _Long | list[_Long] | None,
    FieldType.DOUBLE: float | list[float] | None,
    FieldType.BOOLEAN: bool | list[bool] | None,
    FieldType.TIME: _Long | _Time | None,
}
_TEXT: Final[Any] = str | list[str] | None

Pair = tuple[str | None, str | None]
"""The texts of ``attributes`` and ``attributes_other``; ``None`` where there is none."""


class AttributeSplit:
    """Splits attribute texts by one state of the register's types."""

    def __init__(self, types: Mapping[str, FieldType]) -> None:
        self.types = types
        self._fitting = {name: msgspec.json.Decoder(_type(kind)) for name, kind in types.items()}
        self._met: set[str] = set()
        self._learn(set())

    def split(self, texts: Any) -> tuple[Any, Any]:  # noqa: ANN401 - Arrow arrays of strings
        """Split the texts of rows into two columns; the second is ``None`` where every row is known altogether."""
        texts = compute.if_else(compute.equal(texts, ""), None, texts)
        listed = texts.to_pylist()
        apart: dict[int, Pair] = {}
        for start in range(0, len(listed), ROWS_AT_ONCE):
            apart |= self._apart(start, listed[start : start + ROWS_AT_ONCE])
        if not apart:
            return texts, None
        known = [apart[row][0] if row in apart else text for row, text in enumerate(listed)]
        return pa.array(known, pa.string()), pa.array([apart[row][1] if row in apart else None for row in range(len(listed))], pa.string())

    def _apart(self, start: int, texts: Sequence[str | None]) -> dict[int, Pair]:
        """Answer, by row, the pairs of those rows that are not known altogether."""
        there = [text for text in texts if text]
        try:
            if len(self._all_known.decode("[" + ",".join(there) + "]")) == len(there):
                return {}
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
        met: set[str] = set()
        pairs = {start + at: self._one(text, met) for at, text in enumerate(texts)}
        if met - self._met:
            self._learn(met)
        return {row: pair for row, pair in pairs.items() if pair[1] is not None}

    def _one(self, text: str | None, met: set[str]) -> Pair:
        if not text:
            return None, None
        try:
            self._known.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._parted(text, met)
        return text, None

    def _parted(self, text: str, met: set[str]) -> Pair:
        try:
            fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None, _dump({UNREADABLE: text})
        known = {name: value for name, value in fields.items() if self._fits(name, value)}
        met.update(known)
        other = {_name(name): _text(value) for name, value in fields.items() if name not in known}
        kept = text if not other else msgspec.json.encode(known).decode() if known else None
        return kept, _dump(other) if other else None

    def _fits(self, name: str, value: msgspec.Raw) -> bool:
        decoder = self._fitting.get(name)
        if decoder is None:
            return False
        try:
            decoder.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        return True

    def _learn(self, met: set[str]) -> None:
        """Make the struct anew, with the names that were met."""
        self._met |= met
        names = {f"f{number}": name for number, name in enumerate(sorted(self._met))}
        fields = [(field, _type(self.types[name]) | UnsetType, UNSET) for field, name in names.items()]
        made = msgspec.defstruct("Attributes", fields, rename=names, forbid_unknown_fields=True)
        self._known: msgspec.json.Decoder[Any] = msgspec.json.Decoder(made)
        self._all_known: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[made])  # type: ignore[valid-type] # made above


def _type(kind: FieldType) -> Any:  # noqa: ANN401 - a type
    return _TYPES.get(kind, _TEXT)


def _name(name: str) -> str:
    """Answer a name that OpenSearch takes as a path: no part of it is empty."""
    return ".".join(part for part in name.split(".") if part.strip()) or "_"


def _text(value: msgspec.Raw) -> str:
    """Write a value as text: a text as it is, anything else as JSON."""
    text = bytes(value).decode("utf-8", "replace")
    return msgspec.json.decode(text, type=str) if text.startswith('"') else text


def _dump(fields: Mapping[str, str]) -> str:
    return orjson.dumps(fields).decode()
