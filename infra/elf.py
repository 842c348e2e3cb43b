"""Shared libraries made smaller: what they ask for, what they define, and a copy without what only linkers and debuggers read.

ELF, 64 bits, little-endian (System V ABI, https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html). At run time the dynamic loader reads segments only: symbol tables beside ``.dynsym`` and
the section headers lie behind the last segment and can go, and so can the name of a library of which no symbol is used.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

MAGIC: Final = b"\x7fELF\x02\x01"
PT_LOAD, PT_DYNAMIC, SHT_DYNSYM, SHN_UNDEF = 1, 2, 11, 0
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5

_OFFSETS: Final = struct.Struct("<QQ")
_COUNTS: Final = struct.Struct("<HHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC: Final = struct.Struct("<qQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: its kind, where it lies in the file and in memory, and its size in the file."""

    kind: int
    offset: int
    address: int
    size: int


class Library:
    """A shared library's bytes, read."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise ValueError("not a 64-bit little-endian ELF file")
        self.data = data
        self._segments_at, self._sections_at = _OFFSETS.unpack_from(data, 32)
        self._segment_size, self._segment_count, self._section_size, self._section_count, _ = _COUNTS.unpack_from(data, 54)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers."""
        found = (_SEGMENT.unpack_from(self.data, self._segments_at + number * self._segment_size) for number in range(self._segment_count))
        return tuple(Segment(kind, offset, address, size) for kind, _, offset, address, _, size, _, _ in found)

    @cached_property
    def dynamic(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Where the dynamic section lies in the file, and its entries up to the one that ends it."""
        segment = next(one for one in self.segments if one.kind == PT_DYNAMIC)
        entries = []
        for offset in range(segment.offset, segment.offset + segment.size, _DYNAMIC.size):
            tag, value = _DYNAMIC.unpack_from(self.data, offset)
            if tag == DT_NULL:
                break
            entries.append((tag, value))
        return segment.offset, tuple(entries)

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the libraries that the loader shall load first."""
        return tuple(self._needed_name(value) for tag, value in self.dynamic[1] if tag == DT_NEEDED)

    def _needed_name(self, value: int) -> str:
        strings = next(address for tag, address in self.dynamic[1] if tag == DT_STRTAB)
        return self._text(self._in_file(strings) + value)

    def _in_file(self, address: int) -> int:
        segment = next(one for one in self.segments if one.kind == PT_LOAD and one.address <= address < one.address + one.size)
        return address - segment.address + segment.offset

    def _text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    def symbols(self) -> Iterator[tuple[str, bool]]:
        """List the dynamic symbols, and whether each is defined here."""
        sections = [_SECTION.unpack_from(self.data, self._sections_at + number * self._section_size) for number in range(self._section_count)]
        for section in sections:
            if section[1] == SHT_DYNSYM:
                strings = sections[section[6]][4]
                for offset in range(section[4], section[4] + section[5], _SYMBOL.size):
                    name, _, _, where, _, _ = _SYMBOL.unpack_from(self.data, offset)
                    if name:
                        yield self._text(strings + name), where != SHN_UNDEF


def trimmed(data: bytes, unneeded: Iterable[str] = ()) -> bytes:
    """Answer a copy without section headers, debugging symbols, and the names of libraries that are not needed."""
    library, names = Library(data), frozenset(unneeded)
    made = bytearray(data[: max(one.offset + one.size for one in library.segments)])
    start, entries = library.dynamic
    kept = [(tag, value) for tag, value in entries if tag != DT_NEEDED or library._needed_name(value) not in names]  # noqa: SLF001 - of this module
    for number, entry in enumerate([*kept, *[(DT_NULL, 0)] * (len(entries) - len(kept))]):
        _DYNAMIC.pack_into(made, start + number * _DYNAMIC.size, *entry)
    _OFFSETS.pack_into(made, 32, library._segments_at, 0)  # noqa: SLF001
    _COUNTS.pack_into(made, 54, library._segment_size, library._segment_count, 0, 0, 0)  # noqa: SLF001
    return bytes(made)


def used(starts: Iterable[Library], libraries: dict[str, Library]) -> set[str]:
    """Name the libraries of which a symbol is used, by the first ones or by one that they use.

    Of a symbol that several define, the library with the most others is taken. Symbols of the C++ runtime come from the system.
    """
    defined = {name: {symbol for symbol, is_here in library.symbols() if is_here} for name, library in libraries.items()}
    wanted: set[str] = set()
    have: set[str] = set()
    kept: set[str] = set()
    waiting = list(starts)
    while True:
        for library in waiting:
            for symbol, is_here in library.symbols():
                (have if is_here else wanted).add(symbol)
        missing = {symbol for symbol in wanted - have if not symbol.startswith(("_ZSt", "_ZNSt", "_ZNKSt", "_ZTISt", "_ZTSSt", "_ZTVSt"))}
        gain, name = max(((len(missing & defined[name]), name) for name in libraries.keys() - kept), default=(0, ""))
        if not gain:
            return kept
        kept.add(name)
        waiting = [libraries[name]]
