"""What happens to lines on their way to rows, in order.

``gather`` parts lines that hold many events and puts the lines of one event together, payload by payload, so that it does not matter which payloads come at the same time, and then the runs of one origin. A step takes a
:class:`Batch` and answers the next one; the first makes rows of lines, the others change or check rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

import pyarrow as pa

from collectors.health import Health, Reads
from collectors.join import join_lines, may_go_on
from collectors.known import completed
from collectors.lines import Lines
from collectors.meter import Meter
from collectors.metrics import redaction_metrics
from collectors.rules.enrich import enrich as with_knowledge
from collectors.rules.measure import measured
from collectors.rules.route import route as routed
from collectors.rules.rule_file import NO_RULES, Rules
from collectors.rules.sample import sample as sampled
from collectors.runs import changed, grouped, together
from collectors.unpack import may_hold_many, unpack
from tailrace.errors import StateError
from tailrace.forms import arrow_schema


class Parsed(Protocol):
    """What ``collectors.parse.parse_lines`` answers, as far as it is used here."""

    @property
    def logs(self) -> pa.Table:
        """One row an event, in the schema of ``logs``."""
        ...

    @property
    def metrics(self) -> pa.Table:
        """Metrics that the lines told, in the schema of ``metrics``."""
        ...

    @property
    def joined(self) -> int:
        """Lines that became part of another event."""
        ...


@runtime_checkable
class TellsHealth(Protocol):
    """What a parser answers that tells how it read the lines of each format, and which attributes they have."""

    @property
    def tally(self) -> Mapping[str, Reads]:
        """How lines were read, by format."""
        ...

    @property
    def seen(self) -> Mapping[str, frozenset[str]]:
        """Names of attributes by format."""
        ...


DOCUMENTS: Final = "app.json"
"""The format of what clients write to an index: each is an event, whatever it looks like."""

ParseLines = Callable[[Lines], Parsed]


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines as they came and the rows made of them."""

    lines: Lines
    logs: pa.Table
    metrics: pa.Table
    joined: int = 0
    dropped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tally: Mapping[str, Reads] = field(default_factory=lambda: MappingProxyType({}))
    seen: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Names of attributes by format."""
    routes: pa.StringArray | None = None
    """For each row the sinks that it is meant for, as ``firehose.routes`` says it; ``None``: all rows go to all."""


@dataclass(frozen=True)
class Work:
    """What the steps work with: the parsers, the user's rules, what measures sources against their quotas, and what keeps the health of formats."""

    parse_lines: ParseLines
    rules: Rules = NO_RULES
    meter: Meter | None = None
    health: Health | None = None


def gather(runs: Sequence[Lines]) -> tuple[list[Lines], int]:
    """Answer the lines of runs, put together by origin: each an event, of lines that hold many of them one each, and lines of one event as one. And how many there were before those were put together.

    What lines are looked at for is looked for in all runs of an origin at once: most have nothing of it.
    """
    gathered = [_gathered(group) for group in grouped(runs)]
    return [lines for lines, _ in gathered], sum(came_in for _, came_in in gathered)


def _gathered(group: Sequence[Lines]) -> tuple[Lines, int]:
    lines = together(group)
    if lines.origin.format == DOCUMENTS:
        return lines, len(lines)
    group, lines = changed(group, lines, may_hold_many(lines.text), unpack)
    came_in = len(lines)
    if not lines.whole:
        _, lines = changed(group, lines, may_go_on(lines.text), join_lines)
    return lines, came_in


Step = Callable[[Batch, Work], Batch]


def parse(batch: Batch, work: Work) -> Batch:
    """Find the format of the lines and read them: columns, severity, trace ids, attributes."""
    parsed = work.parse_lines(batch.lines)
    tally, seen = (parsed.tally, parsed.seen) if isinstance(parsed, TellsHealth) else (batch.tally, batch.seen)
    return replace(batch, logs=parsed.logs, metrics=parsed.metrics, joined=parsed.joined, tally=tally, seen=seen)


def complete(batch: Batch, work: Work) -> Batch:
    """Put in what the sender said beside the lines."""
    del work
    return batch if batch.lines.known is None else replace(batch, logs=completed(batch.logs, batch.lines.known, batch.lines.received_us))


def enrich(batch: Batch, work: Work) -> Batch:
    """Add what is known beside the line."""
    return replace(batch, logs=with_knowledge(batch.logs, work.rules.enrichment))


def measure(batch: Batch, work: Work) -> Batch:
    """Make the metrics that the user wants of lines, also of those that are dropped afterwards."""
    found = measured(batch.logs, work.rules.measurements)
    return batch if found is None else replace(batch, metrics=pa.concat_tables([batch.metrics, found]))


def sample(batch: Batch, work: Work) -> Batch:
    """Leave out what the user does not want, by the name of the rule."""
    logs, dropped = sampled(batch.logs, work.rules.sampling)
    return replace(batch, logs=logs, dropped=dropped)


def route(batch: Batch, work: Work) -> Batch:
    """Say which sinks the rows are meant for."""
    return replace(batch, routes=routed(batch.logs, work.rules.routes))


def redact(batch: Batch, work: Work) -> Batch:
    """Take out personal data and secrets; how many is a metric of the source."""
    logs, counts = work.rules.redactor.redact(batch.logs)
    return replace(batch, logs=logs, metrics=pa.concat_tables([batch.metrics, redaction_metrics(logs, counts)])) if counts else batch


def reconcile(batch: Batch, work: Work) -> Batch:
    """Check that every line is a row or part of one, and that rows are in the schema with ids and times.

    Raises :class:`StateError` where they are not: the lines go to dead letters then, and nothing is lost by a faulty step.
    """
    del work
    dropped = sum(batch.dropped.values())
    if batch.logs.num_rows + batch.joined + dropped != len(batch.lines):
        raise StateError(f"{len(batch.lines)} lines became {batch.logs.num_rows} rows and {batch.joined} parts of rows, and {dropped} were dropped")
    if batch.logs.schema != arrow_schema("logs") or batch.metrics.schema != arrow_schema("metrics"):
        raise StateError("rows are not in the schema")
    if batch.routes is not None and len(batch.routes) != batch.logs.num_rows:
        raise StateError(f"{batch.logs.num_rows} rows have {len(batch.routes)} routes")
    for table in (batch.logs, batch.metrics):
        if table["event_id"].null_count or table["event_time"].null_count:
            raise StateError("rows without an event id or a time")
    return batch


STEPS: Final[tuple[Step, ...]] = (parse, complete, enrich, measure, sample, route, redact, reconcile)


def run_steps(lines: Lines, work: Work) -> Batch:
    """Take lines through all steps."""
    start = Batch(lines, arrow_schema("logs").empty_table(), arrow_schema("metrics").empty_table())
    return reduce(lambda batch, step: step(batch, work), STEPS, start)
