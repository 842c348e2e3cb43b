"""The command reference: the help of every command, as Markdown, for ``docs/commands.md``."""

from collections.abc import Iterator
from importlib import import_module

import click

from tailrace.cli import COMMANDS, root

WIDTH = 110


def commands_page() -> str:
    """Answer the body of the page: a section for each command and sub-command."""
    return "\n".join(part for name in COMMANDS for part in _sections(import_module(f"tailrace.cli.{name}").command, f"tailrace {name}", 2))


def _sections(command: click.Command, path: str, depth: int) -> Iterator[str]:
    context = click.Context(
        command, info_name=path, parent=None, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=root.context_settings["help_option_names"]
    )
    yield f"{'#' * depth} `{path}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _sections(found, f"{path} {name}", depth + 1)
