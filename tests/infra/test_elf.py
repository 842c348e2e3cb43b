"""Libraries are read and made smaller without changing what they do."""

import ctypes
import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

from infra.elf import Library, trimmed, used

ARROW = Path(pa.__file__).parent
LIB = Path(str(importlib.util.find_spec("pyarrow.lib").origin))  # type: ignore[union-attr]


def arrow(name: str) -> Path:
    return next(path for path in ARROW.glob(f"lib{name}.so.*") if path.name.count(".") == 2)


def test_what_a_library_needs_and_defines_is_read() -> None:
    library = Library(LIB.read_bytes())
    assert arrow("arrow").name in library.needed
    symbols = dict(library.symbols())
    assert symbols["PyInit_lib"] is True
    assert symbols["PyList_New"] is False


def test_a_copy_is_smaller_asks_for_less_and_loads(tmp_path: Path) -> None:
    path = arrow("arrow_compute")
    made = trimmed(path.read_bytes(), ["libdl.so.2"])
    assert len(made) < path.stat().st_size
    assert Library(made).needed == tuple(name for name in Library(path.read_bytes()).needed if name != "libdl.so.2")
    assert Library(trimmed(made)).needed == Library(made).needed
    (tmp_path / "copy.so").write_bytes(made)
    ctypes.CDLL(str(arrow("arrow")), mode=ctypes.RTLD_GLOBAL)
    assert ctypes.CDLL(str(tmp_path / "copy.so"))._handle


def test_libraries_of_which_no_symbol_is_used_are_not_kept() -> None:
    libraries = {name: Library(arrow(name).read_bytes()) for name in ("arrow", "arrow_python", "arrow_compute", "arrow_substrait", "parquet")}
    assert used([Library(LIB.read_bytes())], libraries) == {"arrow", "arrow_python", "arrow_compute"}


def test_what_is_no_library_is_said() -> None:
    with pytest.raises(ValueError, match="not a 64-bit little-endian ELF file"):
        Library(b"MZ")
