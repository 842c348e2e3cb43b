"""Rows that a user does not want: dropped by a rule, or kept in part. What is left out is in the ledger, under the rule's name.

Which rows of a sample are kept depends on their trace, or on their event id where they have none: a trace is kept whole or not at all, and an event that is delivered twice is kept twice or never.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import Mask, one_array
from collectors.rules.conditions import Condition, matching

_RANGE: Final = 2**64


@dataclass(frozen=True, slots=True)
class Sampling:
    """One rule: rows on which its conditions hold are kept in this part, from 0 (none) to below 1."""

    name: str
    when: tuple[Condition, ...]
    keep: float = 0.0


def sample(rows: pa.Table, rules: tuple[Sampling, ...]) -> tuple[pa.Table, Mapping[str, int]]:
    """Answer the rows that are kept, and how many each rule left out. The first rule that is about a row decides."""
    if not rules or not rows.num_rows:
        return rows, {}
    undecided, kept = np.ones(rows.num_rows, bool), np.ones(rows.num_rows, bool)
    counts: dict[str, int] = {}
    for rule in rules:
        about = undecided & np.asarray(matching(rows, rule.when).to_numpy(zero_copy_only=False), dtype=bool)
        undecided &= ~about
        numbers = np.flatnonzero(about)
        left_out = numbers[~_chosen(rows, numbers, rule.keep)]
        kept[left_out] = False
        if len(left_out):
            counts[rule.name] = counts.get(rule.name, 0) + len(left_out)
    return (rows.filter(pa.array(kept)) if counts else rows), counts


def _chosen(rows: pa.Table, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", keep: float) -> Mask:
    if keep <= 0:
        return np.zeros(len(numbers), bool)
    at = pa.array(numbers)
    keys = pc.coalesce(one_array(rows["trace_id"]).take(at), one_array(rows["event_id"]).take(at))
    hashes = [int.from_bytes(hashlib.blake2b(str(key).encode(), digest_size=8).digest(), "big") for key in keys.to_pylist()]
    return np.array([number < keep * _RANGE for number in hashes], dtype=bool)
