"""``tailrace parse``: files or standard input through the parsers alone; rows as JSON lines, or how many lines each format could read."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson
import pyarrow as pa

from collectors.format import FormatSet
from collectors.format_file import load_formats, read_format
from collectors.lines import Lines, Origin
from collectors.parse import STATUSES, ParsedLines, parse_lines
from collectors.sources.contents import contents
from collectors.sources.files import find_files
from collectors.sources.text_lines import runs
from collectors.unpack import unpack
from tailrace.cli.format_tests import tests_pass
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import US_PER_MS, SystemClock, iso_ms
from tailrace.errors import DecodeError, UsageError
from tailrace.fields import AttributeRegister
from tailrace.schema import LOGS, FieldType
from tailrace.settings import load

STDIN: Final = "-"
_TIMES: Final = tuple(field for field in LOGS.fields if field.type is FieldType.TIME)


@click.command()
@click.argument("paths", metavar="PATH...|-", nargs=-1)
@click.option(
    "--format", "format_name", default="", metavar="NAME|FILE", help="Name of the format, such as web.apache_access, or its file; else it is detected."
)
@click.option("--log-group", default="", help="The log group that the lines come from: some formats are known by it.")
@click.option("--summary", is_flag=True, help="How many lines each format could read, instead of the rows.")
@json_option
def command(paths: tuple[str, ...], format_name: str, log_group: str, *, summary: bool, as_json: bool) -> None:
    """Parse lines and print what became of them; nothing is stored. Files may be compressed with gzip or zlib.

    Rows are JSON lines; parse_status says parsed, partial or failed, and parse_error why. With the file of a format and no lines, the tests in that file run.

    Example: tailrace parse --summary /var/log/nginx/access.log
    """
    settings = load().settings
    formats = load_formats(Path(settings.formats) if settings.formats else None)
    if is_format_file(format_name):
        one = read_format(Path(format_name))
        if not paths:
            sys.exit(0 if tests_pass(one, formats, as_json=as_json) else 1)
        formats, format_name = formats.having(one), one.name
    if not paths:
        raise UsageError("what is to be parsed? name a file, a folder, or - for standard input")
    if format_name:
        formats.get(format_name)
    parsed = _parsed(paths, formats, Origin("", "file", format=format_name, log_group=log_group), sys.stdin.buffer)
    if not summary:
        print_rows(one.logs for _, one in parsed)
        return
    lines, tally = tallied(parsed)
    if as_json:
        print_json({"lines": lines, "formats": tally})
    else:
        print_table(("format", *STATUSES), [(name, *counts.values()) for name, counts in tally.items()], title=f"{lines} lines")


def is_format_file(word: str) -> bool:
    """Whether a format was told by its file: names of formats have no slash and do not end in ``.yaml``."""
    return "/" in word or word.endswith((".yaml", ".yml"))


def _parsed(paths: Iterable[str], formats: FormatSet, origin: Origin, stdin: BinaryIO) -> Iterator[tuple[int, ParsedLines]]:
    register = AttributeRegister(declared=formats.declared())
    for lines in read_lines(paths, origin, stdin, SystemClock().now_us()):
        yield len(lines), parse_lines(lines, formats, register)


def read_lines(paths: Iterable[str], origin: Origin, stdin: BinaryIO, received_us: int) -> Iterator[Lines]:
    """Read files, folders and standard input (``-``) as runs of lines; raises :class:`UsageError` for what cannot be read."""
    for path in paths:
        for source in [None] if path == STDIN else find_files([Path(path)]):
            name = f"file:{source}" if source else "stdin"
            named = Origin(name[-256:], "file" if source else "stdin", format=origin.format, log_group=origin.log_group, key=name if source else "")
            try:
                yield from _runs(source, stdin, named, received_us)
            except (DecodeError, OSError) as error:
                raise UsageError(f"{source or STDIN}: {getattr(error, 'strerror', None) or error}") from error


def _runs(source: Path | None, stdin: BinaryIO, origin: Origin, received_us: int) -> Iterator[Lines]:
    with source.open("rb") if source else nullcontext(stdin) as file:
        for content in contents(file):
            yield from (unpack(run.lines) for run in runs(content.blocks, origin, f"{origin.source}!{content.member}", received_us))


def tallied(parsed: Iterable[tuple[int, ParsedLines]]) -> tuple[int, dict[str, dict[str, int]]]:
    """Answer how many lines there were, and for each format how many it read in full, in part and not at all."""
    lines, counts = 0, Counter[tuple[str, str]]()
    for count, one in parsed:
        lines += count
        for name, tally in one.tally.items():
            counts.update({(name, status): getattr(tally, status) for status in STATUSES})
    names = sorted({name for name, _ in counts})
    return lines, {name: {status: counts[name, status] for status in STATUSES} for name in names}


def print_rows(tables: Iterable[pa.Table]) -> None:
    """Print rows as JSON lines, by their names in searches, without what is null; attributes as an object."""
    for table in tables:
        for batch in table.to_batches(1_000):
            click.echo(b"\n".join(orjson.dumps(row) for row in rows(batch)))


def rows(batch: pa.RecordBatch) -> Iterator[Mapping[str, Any]]:
    """Answer rows as they are printed."""
    columns = {field.name: batch.column(field.column) for field in LOGS.fields}
    for field in _TIMES:
        columns[field.name] = columns[field.name].cast(pa.int64())
    lists = {name: column.to_pylist() for name, column in columns.items()}
    for values in zip(*lists.values(), strict=True):
        row = {name: value for name, value in zip(lists, values, strict=True) if value is not None}
        yield {name: _shown(name, value) for name, value in row.items()}


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401 - a value of any column
    if name == "attributes":
        return orjson.Fragment(value)
    return time_text(value) if name in {field.name for field in _TIMES} else value


def time_text(time_us: int) -> str:
    """Write a time in milliseconds, or in microseconds where it has them."""
    text = iso_ms(time_us)
    return text if time_us % US_PER_MS == 0 else f"{text[:-1]}{time_us % US_PER_MS:03}Z"
