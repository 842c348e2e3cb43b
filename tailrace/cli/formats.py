"""``tailrace formats``: the formats that are known, how a line is read, the tests of a format file."""

from pathlib import Path

import click

from collectors.detect import explain as explanations
from collectors.format_file import Format, FormatSet, load_formats, read_format
from collectors.format_test import row_of, run_tests
from tailrace.cli.output import json_option, print_json, print_table
from tailrace.settings import load


@click.group()
def command() -> None:
    """Formats are files: ours, and those of the folder that the setting `formats` names.

    Example: tailrace formats list
    """


@command.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the formats, in the order in which they are asked.

    Example: tailrace formats list
    """
    found = list(_formats())
    if as_json:
        print_json([{"name": one.name, "reader": one.reader, "description": one.description, "specification": one.specification} for one in found])
    else:
        print_table(["name", "reader", "description"], [(one.name, one.reader, one.description) for one in found])


@command.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a format: how it is known, and what its columns become.

    Example: tailrace formats show aws.alb
    """
    one = _formats().get(name)
    columns = [{"source": c.source, "field": c.field, "attribute": c.attribute, "type": c.type} for c in one.columns]
    if as_json:
        print_json(
            {"name": one.name, "description": one.description, "specification": one.specification, "reader": one.reader, "line": one.line, "columns": columns}
        )
        return
    click.echo(
        f"{one.name}: {one.description}\n{one.specification}\n\nreader  {one.reader}\nline    {one.line or '(any)'}\ngroups  {', '.join(one.log_groups) or '(any)'}\n"
    )
    print_table(["source", "becomes", "type"], [(c["source"], c["field"] or f"attributes.{c['attribute']}", c["type"]) for c in columns])


@command.command()
@click.argument("line")
@click.option("--log-group", default="", help="The log group that the line is of.")
@json_option
def explain(line: str, log_group: str, *, as_json: bool) -> None:
    """Say which format reads a line, why, and what comes of it.

    Example: tailrace formats explain 'Jun 14 15:16:01 combo sshd[199]: refused'
    """
    formats = _formats()
    asked = explanations(formats, line, log_group)
    chosen = next(one for one, is_its_own, _ in asked if is_its_own)
    row = row_of(line, formats, log_group=log_group)
    row = {name: value for name, value in row.items() if name not in {"event_id", "revision", "observed_timestamp", "log.source", "stream.name"}}
    if as_json:
        print_json({"format": chosen.name, "asked": [{"format": one.name, "matches": found} for one, found, _ in asked], "row": row})
        return
    why = next(reason for one, _, reason in asked if one is chosen)
    click.echo(f"{chosen.name}: {why}\n")
    print_table(["field", "value"], list(row.items()))


@command.command(name="test")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def test_(path: Path, *, as_json: bool) -> None:
    """Run the tests that a format file (or a folder of them) carries; exit 1 if one fails.

    Example: tailrace formats test my-format.yaml
    """
    found = [read_format(one) for one in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path])]
    formats = FormatSet({**_formats().formats, **{one.name: one for one in found}})
    failed = [sentence for one in found for sentence in run_tests(one, formats)]
    if as_json:
        print_json({"formats": [_counted(one) for one in found], "failed": failed})
    else:
        click.echo("\n".join([f"{one.name}: {len(one.tests)} tests" for one in found] + failed))
    if failed:
        raise SystemExit(1)


def _counted(one: Format) -> dict[str, object]:
    return {"name": one.name, "tests": len(one.tests)}


def _formats() -> FormatSet:
    folder = load().settings.formats
    return load_formats(Path(folder) if folder else None)
