"""``docs/formats.md``: the formats and their columns, made from the files."""

from collections.abc import Iterator

from collectors.format import COLUMN_TYPES, SPLIT_TYPES, TIME_FORMS, Format
from collectors.format_file import load_formats

SPLIT_MEANING = {
    "address": "an address, or a host's name, which becomes the attribute that `host` names",
    "address_port": "an address with a port behind a colon",
    "request": "method, URL and protocol",
    "url": "a URL",
}


def formats_page() -> str:
    """Write a section for each format, in the order of their names."""
    formats = sorted(load_formats(), key=lambda one: one.name)
    return "\n".join(line for one in formats for line in _section(one))


def types_page() -> str:
    """Write the types that a column can have, and the forms of times."""
    types = [f"`{name}`" for name in COLUMN_TYPES]
    splits = [f"`{name}` ({SPLIT_MEANING[name]}: becomes several fields)" for name in SPLIT_TYPES]
    return f"Types of columns: {', '.join([*types, *splits])}. Forms of times: {', '.join(f'`{name}`' for name in TIME_FORMS)}."


def _section(one: Format) -> Iterator[str]:
    yield from (
        f"### `{one.name}`",
        "",
        f"{one.description} {f'[Specification]({one.specification}). ' if one.specification else ''}Reader: `{one.reader}`.",
        "",
    )
    if one.log_groups:
        yield from (f"Log groups: {', '.join(f'`{pattern}`' for pattern in one.log_groups)}.", "")
    if one.names:
        yield from ("| column | found under, the first that is there |", "|---|---|")
        yield from (f"| `{column}` | {', '.join(f'`{name}`' for name in names)} |" for column, names in one.names.items())
        yield ""
    if one.columns:
        yield from ("| column | becomes | type |", "|---|---|---|")
        yield from (f"| `{column.source}` | {_target(column.target, column.scale)} | {column.type} |" for column in one.columns)
        yield ""


def _target(target: str, scale: float) -> str:
    return f"`{target}`" + (f" (times {scale:g})" if scale != 1.0 else "")
