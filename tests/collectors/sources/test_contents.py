"""What files are packed in: the same lines come out of every kind, damage is said, and nothing is read into memory whole."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import orc

from collectors.sources.contents import contents
from tailrace.errors import DecodeError

LINES = b"".join(b"line %d of some\n" % number for number in range(50_000))


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("logs")
        archive.writestr("logs/a.log", data)
    return out.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": zipped,
}


def unpacked(data: bytes) -> bytes:
    return b"".join(block for content in contents(io.BytesIO(data)) for block in content.blocks)


@pytest.mark.parametrize("kind", PACKED)
def test_the_same_lines_come_out_and_every_byte_is_counted(kind: str) -> None:
    data, advanced = PACKED[kind](LINES), list[int]()
    out = b"".join(block for content in contents(io.BytesIO(data), advanced.append) for block in content.blocks)
    assert out == LINES
    assert 0 < sum(advanced) <= len(data)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_streams_that_follow_one_another_are_all_read(kind: str) -> None:
    assert unpacked(PACKED[kind](b"one\n") + PACKED[kind](LINES)) == b"one\n" + LINES


@pytest.mark.parametrize("kind", ["gzip", "zlib", "bzip2", "xz", "zstd", "zip"])
def test_damage_and_truncation_are_said(kind: str) -> None:
    data = PACKED[kind](LINES)
    with pytest.raises(DecodeError, match=r"damaged|truncated|cannot be read"):
        unpacked(data[: len(data) * 2 // 3])
    with pytest.raises(DecodeError, match=r"damaged|truncated|cannot be read|follow"):
        unpacked(data[: len(data) // 2] + b"\0" * 200 + data[len(data) // 2 :])


@given(data=st.binary(max_size=200), magic=st.sampled_from([b"", b"BZh9", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1", b"ORC", b"\x1f\x8b"]))
def test_any_bytes_are_blocks_or_one_clear_error(data: bytes, magic: bytes) -> None:
    try:
        unpacked(magic + data)
    except DecodeError as error:
        assert str(error)


def test_members_of_a_zip_have_their_names_and_may_be_packed_again() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.log", "one\n")
        archive.writestr("b.log.gz", gzip.compress(b"two\n"))
    out.seek(0)
    assert [(content.member, b"".join(content.blocks)) for content in contents(out)] == [("a.log", b"one\n"), ("b.log.gz", b"two\n")]


TABLE = pa.table(
    {
        "srcaddr": ["10.0.0.1", None],
        "bytes": pa.array([42, 7], pa.int32()),
        "at": pa.array([datetime(2026, 11, 24, 10, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
        "raw": pa.array([b"\xff", None]),
        "nested": [{"a": [1, None]}, None],
    }
)
ROWS = [{"srcaddr": "10.0.0.1", "bytes": 42, "at": "2026-11-24T10:00:00Z", "raw": "\ufffd", "nested": {"a": [1, None]}}, {"bytes": 7}]


@pytest.mark.parametrize("write", [pq.write_table, orc.write_table])
def test_rows_are_json_lines(tmp_path: Path, write: Callable[[pa.Table, Path], None]) -> None:
    write(TABLE, tmp_path / "rows")
    with (tmp_path / "rows").open("rb") as file:
        (content,) = contents(file)
        found = [orjson.loads(line) for line in b"".join(content.blocks).splitlines()]
    found[0]["at"] = found[0]["at"].replace("+00:00", "Z")
    assert found == ROWS


def test_what_must_be_seekable_is_not_read_from_a_pipe() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(DecodeError, match="cannot be read from a pipe"):
        list(contents(Pipe(zipped(b"a"))))


@pytest.mark.parametrize(("head", "kind"), [(b"\xff\xd8\xff\xe0", "JPEG"), (b"%PDF-1.7", "PDF")])
def test_what_holds_no_lines_is_named(head: bytes, kind: str) -> None:
    with pytest.raises(DecodeError, match=f"is {kind}"):
        list(contents(io.BytesIO(head + b"x" * 50)))
