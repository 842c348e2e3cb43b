"""The command ``tailrace``: one sub-command a task, each in a module of its own that is imported when it is called.

Exit codes: 0 done, 1 found something (a failed check, a firing back-test), 2 used wrongly, 3 failed.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

from tailrace.errors import TailraceError, nearest

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demo": "the whole stack with an example application, on this machine",
        "up": "the whole stack for real use",
        "serve": "the gateway alone, with spool, sinks and keeper",
        "status": "how the running gateway is, part by part",
        "doctor": "what is configured, reachable and allowed",
        "ingest": "files, folders, objects of S3 or stdin through the write path",
        "backfill": "old objects of a bucket and old events of a log group, once each",
        "tail": "what log groups take in now, line by line",
        "parse": "parse only: rows as JSON lines",
        "formats": "the formats known, and how a line is read",
        "subscribe": "let log groups flow in: subscription filters",
        "ledger": "the ledger: what came in, went out, and where the rest is",
        "dead": "dead letters: groups, list, show, replay, drop, read, log",
        "reparse": "parse stored lines again that could not be read in full",
        "search": "search logs, spans and metrics",
        "query": "saved queries and SQL",
        "traces": "traces, one trace, the service graph",
        "alerts": "alert rules: check, run, list, silence",
        "lake": "the lake: status, merge, verify, expire, erase, back up",
    }
)
"""Name and short help; ``tailrace/cli/<name>.py`` holds a click command or group of the name ``command``."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; an unknown one ends with the nearest right name."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"no such command: {cmd_name}{nearest(cmd_name, COMMANDS)}")
        command = import_module(f"tailrace.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"tailrace.cli.{cmd_name}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the table of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tailrace")
def root() -> None:
    """Logs and traces of AWS, owned by you: collect, search, alert, account for every line."""


def main() -> None:
    """Run the command; errors of Tailrace are one line on stderr, never a traceback."""
    try:
        root(prog_name="tailrace")
    except TailraceError as error:
        click.echo(f"tailrace: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
