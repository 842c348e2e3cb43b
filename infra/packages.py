"""The collector's Lambda function as a folder or a zip: what ``collectors.handler`` imports, and nothing else, from the packages that are installed here.

``python -m infra.packages build/collector --zip build/collector.zip``: no network is asked. The bundle runs where this interpreter would: the same version of Python, on Linux of the same kind.
AWS takes 250 MB unpacked (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); ours has less than 150.

What is left out: tests, headers, stubs and sources in C; libraries of pyarrow of which no symbol is used; descriptions of AWS's services that no client is made for; tests of formats. What is put in: compiled
bytecode, for a function's folder cannot be written to.
"""

import importlib.metadata
import py_compile
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

import click

from infra.elf import MAGIC, Library, trimmed, used
from infra.imports import Found, follow

ROOT: Final = Path(__file__).parents[1]
ENTRY: Final = "collectors.handler"
OURS: Final = ("collectors", "firehose", "tailrace")
DATA: Final = ("collectors/formats/**/*.yaml",)
"""Files of ours that are read at run time."""

ABSENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "opensearchpy": "the function delivers to Firehose; the client of OpenSearch is imported where it is asked for",
        "opentelemetry": "OTLP and metric streams come in by the gateway's doors, and are opened where they do",
        "google": "the same: protobuf",
        "msgpack": "the same: Fluent's forward protocol",
    }
)
"""Packages that some function imports which the handler never calls, and why it does not."""

UNWANTED: Final = (
    "*/tests/*",
    "*/test/*",
    "*/__pycache__/*",
    "*/include/*",
    "*.pyi",
    "*.pyx",
    "*.pxd",
    "*.pxi",
    "*.h",
    "*.hpp",
    "*.c",
    "*.cpp",
    "*.a",
    "*.lib",
    "*/py.typed",
    "*.pyc",
    "../*",
)
PARTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "numpy": (
            "numpy/f2py/*",
            "numpy/distutils/*",
            "numpy/random/*",
            "numpy/testing/*",
            "numpy/doc/*",
            "numpy/_pyinstaller/*",
            "numpy/_core/_simd*",
            "numpy/_core/*_tests*",
            "numpy/_core/lib/*",
        ),
        "boto3": ("boto3/data/*", "boto3/examples/*"),
        "pyarrow": ("pyarrow/_s3fs*", "pyarrow/_hdfs*", "pyarrow/_gcsfs*", "pyarrow/_azurefs*"),
    }
)
"""Parts of packages that are not imported; numpy and boto3 import theirs when they are asked for, pyarrow goes on without file systems that are not there."""

_TESTS: Final = re.compile(rb"^tests:.*?(?=^[^\s#-]|\Z)", re.MULTILINE | re.DOTALL)
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def build(target: Path) -> int:
    """Build the folder anew, and answer its bytes."""
    if target.exists():
        shutil.rmtree(target)
    found = follow([ENTRY], OURS)
    for path in [*found.modules.values(), *(path for pattern in DATA for path in ROOT.glob(pattern))]:
        _write(target / path.relative_to(ROOT), without_tests(path))
    for name in sorted(distributions(found)):
        _copy(importlib.metadata.distribution(name), target, found)
    for path in sorted(target.rglob("*.py")):
        py_compile.compile(str(path), dfile=str(path.relative_to(target)), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    return size(target)


def without_tests(path: Path) -> bytes:
    """Read a file; of a format's all but its tests, which are more than half of it and are read at each start."""
    data = path.read_bytes()
    return _TESTS.sub(b"", data) if path.suffix == ".yaml" else data


def distributions(found: Found) -> set[str]:
    """Name the distributions that modules of others belong to, and those that these require."""
    owners = importlib.metadata.packages_distributions()
    names = {name.partition(".")[0] for name in found.others} - set(sys.stdlib_module_names) - set(ABSENT)
    waiting, known = [owner for name in sorted(names) for owner in owners[name]], set[str]()
    while waiting:
        name = waiting.pop()
        if name in known or _is_stub(name):
            continue
        known.add(name)
        waiting += _required(name)
    return known


def _is_stub(name: str) -> bool:
    return name.lower().endswith("-stubs") or name.lower().startswith(("types-", "mypy"))


def _required(name: str) -> Iterator[str]:
    for text in importlib.metadata.requires(name) or ():
        requirement, _, marker = text.partition(";")
        matched = _REQUIREMENT.match(requirement)
        if matched is None or "extra" in marker:
            continue
        try:
            yield importlib.metadata.distribution(matched[0]).metadata["Name"]
        except importlib.metadata.PackageNotFoundError:
            continue  # a requirement of another platform or Python


def _copy(distribution: importlib.metadata.Distribution, target: Path, found: Found) -> None:
    name = distribution.metadata["Name"]
    files = {str(file): Path(str(file.locate())) for file in distribution.files or () if _is_wanted(str(file), name)}
    if name == "botocore":
        files = {file: path for file, path in files.items() if _is_asked(file, found.services)}
    if name == "pyarrow":
        _copy_arrow(files, target, found)
        return
    for file, path in files.items():
        _write(target / file, path.read_bytes())


def _is_wanted(file: str, name: str) -> bool:
    if any(fnmatch(file, pattern) for pattern in (*UNWANTED, *PARTS.get(name, ()))):
        return False
    return ".dist-info/" not in file or PurePosixPath(file).name == "METADATA" or "licen" in file.lower()


def _is_asked(file: str, services: Iterable[str]) -> bool:
    """Whether a file of botocore is code, is about all services, or about one that a client is made for."""
    parts = PurePosixPath(file).parts
    return len(parts) < 4 or parts[1] != "data" or parts[2] in set(services)


def _copy_arrow(files: Mapping[str, Path], target: Path, found: Found) -> None:
    """Copy pyarrow: of its compiled modules those that are imported, of its libraries those of which a symbol is used."""
    inner = follow([name for name in found.others if name.partition(".")[0] == "pyarrow"], ["pyarrow"], functions=False).compiled
    modules = {file: path for file, path in files.items() if ".so" in file and f"pyarrow.{PurePosixPath(file).name.partition('.')[0]}" in inner}
    libraries = {PurePosixPath(file).name: path for file, path in files.items() if _is_library(file)}
    read = {name: Library(path.read_bytes()) for name, path in libraries.items()}
    kept = used([Library(path.read_bytes()) for path in modules.values()], read)
    copied = {file: path for file, path in files.items() if file in modules or PurePosixPath(file).name in kept or ".so" not in file}
    for file, path in copied.items():
        data = path.read_bytes()
        _write(target / file, trimmed(data, read.keys() - kept) if data.startswith(MAGIC) else data)


def _is_library(file: str) -> bool:
    """Whether a file is a library by the name under which it is asked for: ``libarrow.so.2600``, not ``libarrow.so`` and not ``libarrow.so.2600.0.0``."""
    return re.fullmatch(r"lib\w+\.so\.\d+", PurePosixPath(file).name) is not None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def size(folder: Path) -> int:
    """Answer the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def pack(folder: Path, target: Path) -> int:
    """Pack a folder, always to the same bytes, and answer how many."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), _EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.stat().st_size


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--zip", "archive", type=click.Path(path_type=Path), help="Pack it too.")
def main(folder: Path, archive: Path | None) -> None:
    """Build the collector's Lambda function in FOLDER, anew.

    Example: python -m infra.packages build/collector --zip build/collector.zip
    """
    click.echo(f"{folder}: {build(folder) / 1e6:.1f} MB; handler {ENTRY}.lambda_handler, Python {sys.version_info.major}.{sys.version_info.minor}")
    if archive is not None:
        click.echo(f"{archive}: {pack(folder, archive) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
