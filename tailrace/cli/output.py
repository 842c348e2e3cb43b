"""How commands print: JSON for programs, a table for people, progress on a terminal only.

Log text is hostile: control characters, which could drive the terminal, are shown as escapes.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option that every command has."""

PIPED_WIDTH: Final = 200
"""Characters of a table's line where nobody's terminal says how wide it is."""

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
_BIDI: Final = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_ESCAPES: Final[dict[int, str]] = {**_CONTROLS, **_BIDI}


class Tick(Protocol):
    """Called with how far a task is: done, and of how many (``None``: not known)."""

    def __call__(self, done: int, total: int | None) -> None:
        """Move the bar."""
        ...


def printable(text: str) -> str:
    r"""Escape control characters and bidirectional overrides.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return text.translate(_ESCAPES)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print one JSON value, indented on a terminal."""
    indent = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    click.echo(orjson.dumps(value, default=str, option=indent | orjson.OPT_NON_STR_KEYS))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; ``None`` is shown as nothing."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


@contextmanager
def advancing(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar that is moved on by what is told; without a total it has no end."""
    done = 0
    with progress(what) as tick:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            tick(done, total)

        yield advance


@contextmanager
def progress(what: str) -> Iterator[Tick]:
    """Show a progress bar on stderr while a task runs, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
