"""The tests that a format file carries: run, and told about."""

import click

from collectors.format import Format, FormatSet
from collectors.format_test import run_tests
from tailrace.cli.output import print_json, printable


def tests_pass(one: Format, formats: FormatSet, *, as_json: bool) -> bool:
    """Run the tests of a format beside all others, and print how they went; a format without tests does not pass."""
    failures = list(run_tests(one, formats.having(one)))
    if as_json:
        print_json({"format": one.name, "tests": len(one.tests), "failures": failures})
    else:
        for failure in failures:
            click.echo(printable(failure))
        click.echo(f"{one.name}: {_said(one, failures)}")
    return bool(one.tests) and not failures


def _said(one: Format, failures: list[str]) -> str:
    if not one.tests:
        return "the file has no tests: write at least one"
    return f"{len(one.tests)} tests, {len(failures)} fields are not as expected" if failures else f"{len(one.tests)} tests passed"
