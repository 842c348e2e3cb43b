"""``tailrace query``: saved queries and SQL in Athena's dialect, on the lake."""

import csv
import io
import sys
from pathlib import Path
from typing import Any, Final

import click
import pyarrow.parquet as pq

from queries.dsl.dates import DateReader
from queries.saved_queries import Result
from queries.saved_query import SavedQuery
from queries.workspace import Workspace
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.clock import US_PER_MS, SystemClock
from tailrace.errors import UsageError
from tailrace.settings import load

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
FORMATS: Final = ("table", "csv", "json", "parquet")


@click.group()
def command() -> None:
    """Saved queries and SQL, in Athena's dialect, on the lake.

    Example: tailrace query run errors_by_service --from now-1h
    """


@command.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the saved queries.

    Example: tailrace query list
    """
    with Workspace(load().settings, SystemClock()) as space:
        found = space.saved.list()
    if as_json:
        print_json([_described(one) for one in found])
    else:
        print_table(["name", "title", "parameters"], [(one.name, one.title, ", ".join(_parameter(one))) for one in found])


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a saved query: its parameters and its SQL.

    Example: tailrace query show errors_by_service
    """
    with Workspace(load().settings, SystemClock()) as space:
        query = space.saved.get(name)
    if as_json:
        print_json({**_described(query), "sql": query.sql})
        return
    click.echo(f"{query.title}\n{query.description}\n")
    for line in _parameter(query):
        click.echo(f"  {line}")
    click.echo(f"\n{query.sql}")


@command.command()
@click.argument("name", required=False)
@click.option("--sql", help="Run this SELECT instead of a saved query.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter; may be given several times.")
@click.option("--from", "start", help="Start of the time range: now-1h, 2026-11-24T10:00:00Z.")
@click.option("--to", "end", help="End of the time range.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write to; needed for parquet.")
@json_option
def run(  # noqa: PLR0913 - the options of a command
    name: str | None, sql: str | None, params: tuple[str, ...], start: str | None, end: str | None, form: str, output: Path | None, *, as_json: bool
) -> None:
    """Run a saved query, or SQL.

    Example: tailrace query run --sql 'SELECT service_name, count(*) FROM logs GROUP BY 1' --format csv
    """
    if (name is None) == (sql is None):
        raise UsageError("give the name of a saved query, or --sql")
    with Workspace(load().settings, SystemClock()) as space:
        result = _asked(space, name, sql, params, start, end)
    _print(result, "json" if as_json else form, output)


def _asked(space: Workspace, name: str | None, sql: str | None, params: tuple[str, ...], start: str | None, end: str | None) -> Result:
    if name is None:
        if params:
            raise UsageError("--param is of saved queries")
        bounds = {key: _time_us(text) for key, text in (("from_us", start), ("to_us", end)) if text}
        return space.saved.sql(str(sql), **bounds)
    given = dict(_pair(text) for text in params)
    given |= {key: text for key, text in (("start_time", start), ("end_time", end)) if text}
    return space.saved.run(name, given)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--param {text}: write NAME=VALUE")
    return name, value


def _time_us(text: str) -> int:
    return DateReader(SystemClock().now_us(), "time").read_ms(text, round_up=False) * US_PER_MS


def _print(result: Result, form: str, output: Path | None) -> None:
    match form:
        case "json":
            columns = [{"name": name, "type": kind} for name, kind in zip(result.columns, result.types, strict=True)]
            print_json({"columns": columns, "rows": [[_plain(cell) for cell in row] for row in result.rows()]})
        case "csv":
            _write(_csv(result), output)
        case "parquet":
            if output is None:
                raise UsageError("--format parquet needs --output FILE")
            pq.write_table(result.table, output)
        case _:
            print_table(result.columns, result.rows())


def _csv(result: Result) -> str:
    """Write CSV (RFC 4180) whose texts no spreadsheet runs: one that begins like a formula gets an apostrophe before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(result.columns)
    writer.writerows([_safe(cell) for cell in row] for row in result.rows())
    return buffer.getvalue()


def _safe(cell: Any) -> Any:  # noqa: ANN401 - a value of a row
    plain = _plain(cell)
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(FORMULA_STARTS) else plain


def _plain(cell: Any) -> Any:  # noqa: ANN401 - a value of a row
    return cell.isoformat(sep=" ") if hasattr(cell, "hour") else cell.isoformat() if hasattr(cell, "isoformat") else cell


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8", newline="")


def _described(query: SavedQuery) -> dict[str, Any]:
    parameters = [{"name": one.name, "type": one.type, "default": one.default} for one in query.parameters]
    return {"name": query.name, "title": query.title, "description": query.description, "parameters": parameters}


def _parameter(query: SavedQuery) -> list[str]:
    return [f"{one.name} {one.type}" + (f" = {one.default}" if one.default is not None else "") for one in query.parameters]
