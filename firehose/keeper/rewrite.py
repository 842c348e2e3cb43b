"""Rows leave a partition by one commit: the parts that hold them are written again without them, and the state says how many left and why.

Before the commit all of them count, after it none does. Killed before it, what was written is a part that does not count; doing it again makes the same part under the
same name. As the number of rows lies in the state object itself, it is as durable as their leaving, and is never counted twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from firehose.disk import Probe, no_probe
from firehose.keeper.conditions import Mask
from firehose.keeper.merge import View, commit, merged_name, read_part, source
from firehose.parts import rows_in, write_part
from tailrace.lake import REMOVED, Part, part_key
from tailrace.stores.port import ObjectStore

ATTEMPTS = 20
"""Times that a commit is tried which others win."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What leaves one part: how many rows for which reason, and the rows that stay (``None``: none does)."""

    part: Part
    reasons: Mapping[str, int]
    stays: Mask | None = None

    @property
    def rows(self) -> int:
        """How many rows leave."""
        return sum(self.reasons.values())

    @property
    def bytes(self) -> int:
        """About how many bytes leave: all, or as large a part of them as of the rows."""
        return self.part.size if self.stays is None else self.part.size * self.rows // max(len(self.stays), 1)


def let_go(store: ObjectStore, seen: View, leaving: Sequence[Leaving], probe: Probe = no_probe) -> bool:
    """Let rows leave; answer whether nobody else committed meanwhile. Raises what reading raises where a part is gone."""
    names, gone = list[str](), Counter[str]()
    for one in leaving:
        gone.update(one.reasons)
        removed = rows_in(source(store, one.part))[1]
        if one.stays is None or not one.stays.any():
            gone[REMOVED] += removed
        else:
            names.append(_put(store, seen, one.part, one.stays, removed))
    probe("keeper.rewritten")
    done = commit(store, seen, seen.state.replaced([one.part.name for one in leaving], names, gone))
    probe("keeper.let_go")
    return done


def _put(store: ObjectStore, seen: View, part: Part, stays: Mask, removed: int) -> str:
    name = merged_name(seen, f"{part.name} {stays.tobytes().hex()}")
    store.put(part_key(seen.table, seen.partition, name), write_part(read_part(store, part).filter(pa.array(stays)), removed).to_pybytes())
    return name
