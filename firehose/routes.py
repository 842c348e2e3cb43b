"""Which sinks a row is meant for: the hot ones (OpenSearch), the cold ones (the lake), or both.

A delivery says it row by row, in a column that travels with its table in the frames of the spool and is no column of the schema: null for both, else the only tier that the row goes to and the
rule's name, ``cold route:debug``. The head of the frame counts what each tier does not get, so the ledger knows it without reading rows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import pyarrow as pa

from firehose.columns import compute
from tailrace.errors import StateError

Tier = Literal["hot", "cold"]
LAKE: Final = "lake"
OPENSEARCH: Final = "opensearch"
TIERS: Final[Mapping[str, Tier]] = MappingProxyType({LAKE: "cold", OPENSEARCH: "hot"})
"""The sinks that rows are routed to; others get every row."""

COLUMN: Final = "_route"
OTHER: Final[Mapping[Tier, Tier]] = MappingProxyType({"hot": "cold", "cold": "hot"})

Withheld = Mapping[str, Mapping[str, int]]
"""Rows that a tier does not get, by the rule's name."""


def tier_of(sink: str) -> Tier | None:
    """Answer the tier of a sink; ``None`` where it gets every row."""
    return TIERS.get(sink)


def only(tier: Tier, rule: str) -> str:
    """Answer the word for a row that goes to one tier only."""
    return f"{tier} {rule}"


def withheld(routes: Any) -> dict[str, dict[str, int]]:  # noqa: ANN401 - an Arrow array of strings
    """Count what each tier does not get."""
    found: dict[str, dict[str, int]] = {}
    for word, count in ((one["values"].as_py(), one["counts"].as_py()) for one in compute.value_counts(compute.drop_null(routes))):
        tier, _, rule = word.partition(" ")
        if tier not in OTHER:
            raise StateError(f"no such route: {word!r}")
        found.setdefault(OTHER[tier], {})[rule] = count
    return found


def meant_for(table: pa.Table, tier: Tier | None) -> pa.Table:
    """Answer the rows of a table from the spool that are meant for a tier."""
    if tier is None or COLUMN not in table.column_names:
        return table
    return table.filter(compute.invert(compute.fill_null(compute.starts_with(table.column(COLUMN), f"{OTHER[tier]} "), False)))
