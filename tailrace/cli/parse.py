"""``tailrace parse``: how lines would be read; nothing is written."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import pyarrow as pa

from collectors.collector import Collector
from collectors.format_file import FormatSet, load_formats
from collectors.lines import Origin
from collectors.sources.files import Ingest, LineSource, find_files
from collectors.sources.stdin import ingest_stdin
from firehose.delivery import Delivery
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.schema import LOGS
from tailrace.settings import Settings, load

STATUSES: Final = ("parsed", "partial", "failed")
STDIN: Final = "-"
SHOWN: Final = tuple(field for field in LOGS.fields if field.name not in {"revision", "observed_timestamp", "event_id", "log.source", "stream.name"})


class _Printer:
    """A delivery stream that prints rows, or only counts them."""

    def __init__(self, *, rows: bool) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._rows = rows

    def put(self, delivery: Delivery) -> None:
        """Take one delivery."""
        table = delivery.tables.get("logs")
        if table is None:
            return
        pairs = zip(table["log_format"].to_pylist(), table["parse_status"].to_pylist(), strict=True)
        self.counts.update((str(name), str(status)) for name, status in pairs)
        if self._rows:
            for row in _rows(table):
                print_json(row)


@click.command()
@click.argument("paths", metavar="PATH...|-", nargs=-1, required=True)
@click.option("--format", "format_name", default="", help="Name of the format, such as aws.alb; else it is detected for each line.")
@click.option("--summary", is_flag=True, help="Only count lines by format and status.")
@json_option
def command(paths: tuple[str, ...], format_name: str, *, summary: bool, as_json: bool) -> None:
    """Read files, folders or standard input and print rows as JSON lines, with parse_status and parse_error. Nothing is written.

    Example: tailrace parse --summary access.log
    """
    settings = load().settings
    formats = load_formats(Path(settings.formats) if settings.formats else None)
    if format_name:
        formats.get(format_name)
    printer = _Printer(rows=not summary)
    problems = [one.problem for one in _read(settings, formats, printer, paths, format_name) if one.problem]
    if summary:
        _summary(printer.counts, as_json=as_json)
    for problem in problems:
        click.echo(f"tailrace: {problem}", err=True)
    if problems:
        raise SystemExit(3)


def _read(settings: Settings, formats: FormatSet, printer: _Printer, paths: tuple[str, ...], format_name: str) -> Iterator[Ingest]:
    clock, origin = SystemClock(), Origin("", "", format=format_name)
    register = AttributeRegister(None, formats.declared())
    source = LineSource(Collector(printer, formats, register, clock, settings.inflate_max_bytes, settings.region), clock, origin=origin)
    for path in paths:
        if path == STDIN:
            stdin: BinaryIO = sys.stdin.buffer
            yield ingest_stdin(source, stdin, "parse", origin)
        else:
            yield from map(source.ingest_file, find_files([Path(path)]))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for row in table.to_pylist():
        values = ((field.name, row[field.column]) for field in SHOWN)
        yield {name: f"{value.isoformat()}Z" if hasattr(value, "isoformat") else value for name, value in values if value is not None}


def _summary(counts: "Counter[tuple[str, str]]", *, as_json: bool) -> None:
    names = sorted({name for name, _ in counts})
    found = {name: {status: counts[name, status] for status in STATUSES} for name in names}
    if as_json:
        print_json({"lines": sum(counts.values()), "formats": found})
    else:
        print_table(["format", *STATUSES], [(name, *(found[name][status] for status in STATUSES)) for name in names])
