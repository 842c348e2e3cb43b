"""``tailrace formats``: the formats there are, how a line is read, and the tests of a format file."""

import sys
from pathlib import Path

import click

from collectors.detect import explain
from collectors.format import FormatSet
from collectors.format_file import load_formats, read_format
from collectors.format_test import row_of
from tailrace.cli.format_tests import tests_pass
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.parse_health import read_health
from tailrace.settings import load


@click.group()
def command() -> None:
    """The formats known, how a line is read, and the tests of a format file.

    Example: tailrace formats explain 'REPORT RequestId: 8e6a5d4c Duration: 3 ms'
    """


@command.command("list")
@json_option
def list_formats(*, as_json: bool) -> None:
    """List the formats in the order in which they are asked.

    Example: tailrace formats list
    """
    found = list(_formats())
    if as_json:
        print_json([{"name": one.name, "reader": one.reader, "description": one.description, "path": one.path} for one in found])
    else:
        print_table(("name", "reader", "description"), [(one.name, one.reader, one.description) for one in found])


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show what a format is known by, and what its columns become.

    Example: tailrace formats show aws.alb
    """
    one = _formats().get(name)
    columns = [(column.source, column.target, column.type) for column in one.columns]
    if as_json:
        print_json(
            {
                "name": one.name,
                "description": one.description,
                "specification": one.specification,
                "reader": one.reader,
                "log_groups": one.log_groups,
                "line": one.line,
                "columns": [{"source": source, "becomes": target, "type": kind} for source, target, kind in columns],
                "path": one.path,
            }
        )
        return
    for text in (one.description, one.specification, f"log groups: {', '.join(one.log_groups) or 'any'}", f"line: {one.line or 'any'}", f"file: {one.path}"):
        click.echo(text)
    print_table(("column", "becomes", "type"), columns)


@command.command()
@click.option("--format", "name", default="", help="One format alone, such as aws.alb.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many shapes and fields, the newest first.")
@json_option
def health(name: str, limit: int, *, as_json: bool) -> None:
    """Show how formats read the lines of each source, what the lines look like that they cannot read, and which fields are new. Exits 1 where a line could not be read in full.

    Example: tailrace formats health --format aws.alb
    """
    if name:
        _formats().get(name)
    found = read_health(load().settings.health_path, name=name, limit=limit)
    if as_json:
        print_json(found)
    else:
        for title, rows in found.items():
            columns = list(rows[0]) if rows else []
            print_table(columns, [list(row.values()) for row in rows], title=title if rows else f"{title}: none")
    sys.exit(1 if any(row["partial"] or row["failed"] for row in found["formats"]) else 0)


@command.command("explain")
@click.argument("line", metavar="LINE|-")
@click.option("--log-group", default="", help="The log group that the line comes from.")
@click.option("--key", default="", help="The key of the object, or the path of the file, that the line lies in.")
@json_option
def explain_line(line: str, log_group: str, key: str, *, as_json: bool) -> None:
    """Say which format a line is of, why, and what its row is.

    Example: tailrace formats explain --log-group /aws/lambda/cart '{"level":"ERROR","message":"boom"}'
    """
    formats = _formats()
    text = sys.stdin.readline().rstrip("\r\n") if line == "-" else line
    asked = explain(formats, text, log_group, key)
    chosen = asked[-1][0].name
    row = row_of(text, formats, log_group=log_group, key=key)
    if as_json:
        print_json({"format": chosen, "asked": [{"format": one.name, "matches": matches, "why": why} for one, matches, why in asked], "row": row})
        return
    print_table(("asked", "answer", "because"), [(one.name, "yes" if matches else "no", why) for one, matches, why in asked])
    print_table(("field", "value"), list(row.items()), title=f"\nread as {chosen}")


@command.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def test_file(file: Path, *, as_json: bool) -> None:
    """Run the tests that a format file carries; exits 1 if one fails.

    Example: tailrace formats test formats/shop.yaml
    """
    sys.exit(0 if tests_pass(read_format(file), _formats(), as_json=as_json) else 1)


def _formats() -> FormatSet:
    folder = load().settings.formats
    return load_formats(Path(folder) if folder else None)
