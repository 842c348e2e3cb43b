"""Where rows go: hot (OpenSearch), cold (the lake), or both, which is what happens to rows that no rule is about."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.rules.conditions import Condition, matching
from firehose.routes import Tier, only


@dataclass(frozen=True, slots=True)
class Route:
    """One rule: rows on which its conditions hold go to one tier only, or, without a tier, to both."""

    name: str
    when: tuple[Condition, ...]
    to: Tier | None = None


def route(rows: pa.Table, rules: tuple[Route, ...]) -> pa.StringArray | None:
    """Answer for each row the word of ``firehose.routes``; ``None`` where all rows go to both. The first rule that is about a row decides."""
    if not rules or not rows.num_rows:
        return None
    decided = np.full(rows.num_rows, -1, np.int64)
    for number, rule in enumerate(rules):
        about = np.asarray(matching(rows, rule.when).to_numpy(zero_copy_only=False), dtype=bool)
        decided[about & (decided < 0)] = number
    words = pa.array([only(rule.to, rule.name) if rule.to else None for rule in rules], pa.string())
    found: pa.StringArray = pc.take(words, pa.array(decided, mask=decided < 0))
    return found if found.null_count < len(found) else None
