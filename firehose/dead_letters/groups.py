"""Groups of dead letters: those with one cause and one shape are one thing to mend.

The cause is the reason with all masked that differs from letter to letter: quoted values, numbers, ids and hashes. The shape is what kind of letter it is, of which sink, envelope and table, and the
keys of its document or the magic of its bytes. Both make the group's name, so the same fault has the same name tomorrow and elsewhere.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from firehose.dead_letters.store import Stored, read_file
from tailrace.clock import iso_ms

MAX_REASON: Final = 1_000
MAX_READ: Final = 1024 * 1024
"""Bytes of a body above which its keys are not looked at."""

MAX_KEYS: Final = 12
MAX_SOURCES: Final = 5

_WORDS: Final = frozenset(
    {
        "utf-8",
        "utf8",
        "utf-16",
        "base64",
        "int32",
        "int64",
        "uint32",
        "uint64",
        "float32",
        "float64",
        "md5",
        "sha1",
        "sha256",
        "crc-32",
        "crc32",
        "ipv4",
        "ipv6",
        "s3",
        "lz4",
        "http2",
    }
)
"""Words with a digit that are the same in every letter."""

_MASKED: Final = re.compile(
    r"(?P<kept>\b(?:field|type|mapping for|mapper|name|parameter) \[[^\]]{1,256}\])"
    r"|(?P<quoted>(?<!\w)(?:'.*?(?:'(?!\w)|$)|\".*?(?:\"(?!\w)|$)|`.*?(?:`(?!\w)|$)))"
    r"|(?P<word>[\w.:/+-]*\d(?:[\w.:/+=-]|,(?=\d))*)",
    re.DOTALL,
)

MAX_PASSES: Final = 4
"""What stands beside a mask may be quoted then that was not before; two passes are enough for all that was tried."""

MAGIC: Final[Mapping[bytes, str]] = {
    b"\x1f\x8b": "gzip",
    b"\xff\xff\xff\xff": "arrow",
    b"PAR1": "parquet",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ": "xz",
    b"ORC": "orc",
    b"x\x9c": "zlib",
    b"x\xda": "zlib",
    b"x\x01": "zlib",
    b"x\x5e": "zlib",
}
"""How packed bytes begin."""


class HasFiles(Protocol):
    """Dead letters, of which it can be seen which file has changed."""

    def files(self) -> Sequence[tuple[Path, int, int]]:
        """List the files there are: path, time of change and bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of thing a letter is."""

    kind: str
    sink: str
    envelope: str
    table: str
    content: str


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one cause and one shape; ``example`` is the id of the newest, ``reason`` its reason as it is, ``sources`` the first five in alphabetical order."""

    name: str
    cause: str
    shape: Shape
    count: int
    bytes: int
    oldest_us: int
    newest_us: int
    sources: tuple[str, ...]
    example: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``dead groups --json`` prints it."""
        shape = {name: getattr(self.shape, name) for name in ("kind", "sink", "envelope", "table", "content")}
        told = {"oldest": iso_ms(self.oldest_us), "newest": iso_ms(self.newest_us), "sources": self.sources, "example": self.example, "reason": self.reason}
        return {"group": self.name, "count": self.count, "bytes": self.bytes, "cause": self.cause, **shape, **told}


def groups(letters: HasFiles) -> list[Group]:
    """Answer the groups, that with the newest letter first."""
    found: dict[str, Group] = {}
    for path, changed, size in letters.files():
        for one in _groups_of(path, changed, size):
            found[one.name] = _together(found[one.name], one) if one.name in found else one
    return sorted(found.values(), key=lambda one: (-one.newest_us, one.name))


def members(letters: HasFiles, name: str) -> Iterator[Stored]:
    """Walk the letters of a group; of the files that hold none of it nothing is read twice."""
    for path, changed, size in letters.files():
        if any(one.name == name for one in _groups_of(path, changed, size)):
            yield from (one for one in read_file(path) if group_of(one) == name)


def group_of(letter: Stored) -> str:
    """Name the group of a letter: 8 hex digits."""
    return _name(cause_of(letter.reason), shape_of(letter))


def cause_of(reason: str) -> str:
    """Mask what differs from letter to letter; a status at the beginning, field names, types and words such as ``base64`` stay.

    >>> cause_of("400 mapper_parsing_exception: failed to parse field [n] of type [long] in document with id 'e-5'. Preview of field's value: 'x'")
    "400 mapper_parsing_exception: failed to parse field [n] of type [long] in document with id '…'. Preview of field's value: '…'"
    >>> cause_of("inflates to more than 1,048,576 bytes")
    'inflates to more than # bytes'
    """
    text = " ".join(reason[:MAX_REASON].split())
    status = re.match(r"[1-5]\d\d(?= )", text)
    head = status[0] if status else ""
    masked = text[len(head) :]
    for _ in range(MAX_PASSES):
        before, masked = masked, _MASKED.sub(_mask, masked)
        if masked == before:
            break
    return head + masked


def shape_of(letter: Stored) -> Shape:
    """Answer the shape of a letter."""
    told = letter.detail
    return Shape(letter.kind, letter.sink or told.get("sink", ""), told.get("envelope") or told.get("format", ""), told.get("table", ""), _content(letter.body))


def _mask(found: re.Match[str]) -> str:
    text = found[0]
    if found["kept"] is not None:
        return text
    if found["quoted"] is not None:
        return f"{text[0]}…{text[0]}"
    bare = text.rstrip(".:,")
    return text if bare.lower() in _WORDS else "#" + text[len(bare) :]


def _content(body: bytes) -> str:
    if not body:
        return "nothing"
    for magic, name in MAGIC.items():
        if body.startswith(magic):
            return name
    if body.lstrip()[:1] in {b"{", b"["}:
        return _keys(body)
    try:
        text = body[:4_096].decode("utf-8", "strict" if len(body) <= 4_096 else "ignore")
    except UnicodeDecodeError:
        return f"bytes {body[:2].hex()}"
    return "text" if "\0" not in text else f"bytes {body[:2].hex()}"


def _keys(body: bytes) -> str:
    if len(body) > MAX_READ:
        return "long JSON"
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "broken JSON"
    if not isinstance(value, dict):
        return "JSON list"
    names = sorted(value)
    return "{" + ", ".join([*(name[:64] for name in names[:MAX_KEYS]), *([f"{len(names) - MAX_KEYS} more"] if len(names) > MAX_KEYS else [])]) + "}"


@lru_cache(maxsize=4_096)
def _groups_of(path: Path, changed: int, size: int) -> tuple[Group, ...]:
    """Group the letters of a file; a file is read once, until it is another."""
    del changed, size
    found: dict[str, Group] = {}
    for letter in read_file(path):
        one = _alone(letter)
        found[one.name] = _together(found[one.name], one) if one.name in found else one
    return tuple(found.values())


def _alone(letter: Stored) -> Group:
    cause, shape = cause_of(letter.reason), shape_of(letter)
    sources = (letter.source,) if letter.source else ()
    return Group(_name(cause, shape), cause, shape, 1, len(letter.body), letter.time_us, letter.time_us, sources, letter.id, letter.reason)


def _together(one: Group, other: Group) -> Group:
    newest = max(one, other, key=lambda group: (group.newest_us, group.example))
    return replace(
        newest,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        oldest_us=min(one.oldest_us, other.oldest_us),
        sources=tuple(sorted({*one.sources, *other.sources})[:MAX_SOURCES]),
    )


def _name(cause: str, shape: Shape) -> str:
    told = "\0".join([cause, *astuple(shape)])
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
