"""The command: a table of commands, each imported when called, and errors in one line."""

from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from tailrace.cli import COMMANDS, root
from tailrace.cli.output import printable


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example_and_json(name: str) -> None:
    command = import_module(f"tailrace.cli.{name}").command
    assert isinstance(command, click.Command)
    shown = CliRunner().invoke(root, [name, "--help"])
    assert shown.exit_code == 0
    assert f"tailrace {name}" in shown.output


def test_help_lists_every_command_without_importing_it() -> None:
    shown = CliRunner().invoke(root, ["--help"])
    assert all(f"  {name} " in shown.output for name in COMMANDS)


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    shown = CliRunner().invoke(root, ["serch"])
    assert shown.exit_code == 2
    assert "did you mean 'search'?" in shown.output


def test_log_text_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b]0;x\x07\u202eb\n") == "a\\x1b]0;x\\x07\\u202eb\n"
