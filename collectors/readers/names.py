"""Members of an object by the columns that they become: which names a column is found under, which of them wins, and what is left for the attributes.

For formats whose lines are objects (JSON, key=value, XML). A format's ``names`` say under which dotted names a column may be found, or by which paths through lists (``readers.paths``); a
column without any is found under its own name.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from collectors.format import Format
from collectors.readers.paths import SCALARS, Path, is_path, parse_path, pick

MAX_DEPTH: Final = 8
"""Objects in objects that are flattened; deeper ones stay values."""

_NO_PATHS: Final[Mapping[str, Path]] = MappingProxyType({})
_KINDS: Final[Mapping[str, pa.DataType]] = MappingProxyType({"long": pa.int64(), "double": pa.float64()})


class Names:
    """The names of one format; never changed.

    ``columns``: column and the names of its members, the first that is there wins; ``of``: the column of a name and its rank; ``kinds``: columns that are numbers, the others are texts;
    ``prefix``: what stands before the name of every member that becomes an attribute; ``prefixed``: the columns' names with it; ``paths``: those names that lead through lists, as they are in
    ``columns`` and in ``prefixed``; ``values``: the names that are columns, and those of lists that paths lead through: no objects are expected there.
    """

    def __init__(
        self, columns: Mapping[str, tuple[str, ...]], kinds: Mapping[str, pa.DataType], prefix: str = "", paths: Mapping[str, Path] = _NO_PATHS
    ) -> None:
        self.columns, self.kinds, self.prefix = columns, kinds, prefix
        self.prefixed: Mapping[str, tuple[str, ...]] = MappingProxyType({column: tuple(prefix + name for name in names) for column, names in columns.items()})
        places = {name: (column, rank) for column, names in columns.items() for rank, name in enumerate(names)}
        self.of: Mapping[str, tuple[str, int]] = MappingProxyType({name: place for name, place in places.items() if name not in paths})
        self.values: frozenset[str] = frozenset(self.of) | {path.base for path in paths.values()}
        with_prefix = {prefix + name: Path(prefix + path.base, path.steps) for name, path in paths.items()}
        self.paths: Mapping[str, Path] = MappingProxyType({**with_prefix, **paths})
        self._paths = tuple((*places[name], name, path) for name, path in paths.items())

    def known_values(self, flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Part a flat object into the columns that it has, and the attributes."""
        best: dict[str, tuple[int, str, Any]] = {}
        for name, value in flat.items():
            column, rank = self.of.get(name, ("", 0))
            if column and value.__class__ in SCALARS and (column not in best or rank < best[column][0]):
                best[column] = (rank, name, value)
        for column, rank, name, path in self._paths:
            value = pick(flat.get(path.base), path.steps)
            if value is not None and (column not in best or rank < best[column][0]):
                best[column] = (rank, name, value)
        used = {name for _, name, _ in best.values()}
        left = {self.prefix + name: value for name, value in flat.items() if name not in used and (value is not None or name not in self.of)}
        return {column: value for column, (_, _, value) in best.items()}, left


@lru_cache(maxsize=256)
def names_of(one: Format) -> Names:
    """Answer the names of a format."""
    columns = {source: one.names.get(source, (source,)) for source in one.sources}
    paths = {name: parse_path(name) for names in one.names.values() for name in names if is_path(name)}
    kinds = {column.source: _KINDS[column.type] for column in one.columns if column.type in _KINDS}
    return Names(MappingProxyType(columns), MappingProxyType(kinds), str(one.options.get("prefix", "")), MappingProxyType(paths))


def flat_object(value: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten an object to dotted names; arrays, and what lies deeper than :data:`MAX_DEPTH`, stay values. Of two members of one name the last wins."""
    flat: dict[str, Any] = {}
    stack: list[tuple[str, Any, int]] = [("", value, 1)]
    while stack:
        prefix, current, depth = stack.pop()
        if isinstance(current, dict) and current and depth <= MAX_DEPTH:
            stack.extend((f"{prefix}.{name}" if depth > 1 else name, member, depth + 1) for name, member in reversed(current.items()))
        else:
            flat[prefix] = current
    return flat


def as_text(value: object) -> str:
    """Write a scalar as text: a text as itself, all else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)
