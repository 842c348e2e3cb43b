"""Lines that were not read in full, read again after their format was mended.

Rows of the lake whose ``parse_status`` is failed or partial go through the steps again, first as lines of the format that had them, and where that does not read them in full, of whatever format they
are found to be of now. A row that became another one is put with its revision + 1, and takes the place of the old one in every sink; one that is read as before, or worse, stays as it is. So doing it again
does nothing.

The line is what was stored: redacted, with the event's id. A time that the envelope gave stays; one that was only that of the receipt is read from the line now, and a row whose hour is another one then is taken away
where it was. Rows are not sampled again, and go the way that the stored row goes by the rules of today.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collectors.arrays import AnyArray, one_array, with_column
from collectors.known import said_of
from collectors.lines import Lines, Origin
from collectors.poison import sift
from collectors.rules.route import route
from collectors.steps import Batch, Work
from firehose.delivery import Count, Delivery, DeliveryStream
from firehose.keeper.merge import newest, source
from tailrace.clock import US_PER_HOUR, Clock, from_datetime
from tailrace.errors import StateError, TransientError
from tailrace.forms import arrow_schema
from tailrace.lake import LAST_HOUR_US, Partition, existing_partitions, live_parts, partition_of
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

STATUSES: Final = ("failed", "partial", "parsed")
ROWS: Final = 20_000
"""Rows that are put together."""

ATTEMPTS: Final = 5
FLUSH_S: Final = 120.0
_ORIGIN: Final = (
    "log_source",
    "stream_name",
    "cloud_account_id",
    "cloud_region",
    "aws_log_group_name",
    "aws_log_stream_name",
    "host_name",
    "service_name",
    "revision",
)
SAID: Final = frozenset({"firehose", "otlp"})
"""Streams whose senders say something beside the line, which the line does not hold."""

_KEPT: Final = frozenset({"revision", "observed_time"})


class RewritesRows(DeliveryStream, Protocol):
    """A delivery stream that can take away rows whose newer revision lies elsewhere."""

    def flush(self, timeout_s: float = ...) -> bool:
        """Wait until everything that was put is in the lake; answer whether it is."""
        ...

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        """Take rows away that are of this revision or a lower one."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What became of rows: how many were read again, how many of them are another row now, how many are read in full now, still in part, still not; how many moved to another hour."""

    read: int = 0
    replaced: int = 0
    parsed: int = 0
    partial: int = 0
    failed: int = 0
    moved: int = 0

    def __add__(self, other: "Report") -> "Report":
        """Answer what became of both."""
        return Report(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def to_json(self) -> dict[str, Any]:
        """Answer it as JSON shows it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reparse:
    """Reads rows of one lake again; ``work`` has the formats and rules of today."""

    store: ObjectStore
    stream: RewritesRows
    work: Work
    clock: Clock

    def run(self, name: str, from_us: int = 0, to_us: int = LAST_HOUR_US + US_PER_HOUR) -> Report:
        """Read the rows of a format again whose event time is in [from_us, to_us).

        Raises :class:`TransientError` where the stream or a sink takes nothing now: what was done stays, and the same call goes on with the rest.
        """
        total = Report()
        for partition in existing_partitions(self.store, "logs", from_us, to_us):
            rows = self._stored(partition, name, from_us, to_us)
            for start in range(0, rows.num_rows, ROWS):
                total += self._again(rows.slice(start, ROWS), partition, name)
        return total

    def _stored(self, partition: Partition, name: str, from_us: int, to_us: int) -> pa.Table:
        """Read the rows in question of a partition; parts that are merged and deleted meanwhile are listed anew."""
        bounds = (pc.field("log_format") == name) & pc.field("parse_status").isin(["failed", "partial"])
        hour_us = _hour_us(partition)
        for _ in range(ATTEMPTS):
            try:
                parts = live_parts(self.store, "logs", hour_us, hour_us + 1)
                found = [_in_schema(pq.read_table(source(self.store, part), filters=bounds)) for part in parts]
            except (StateError, FileNotFoundError):
                continue
            rows = newest(pa.concat_tables([arrow_schema("logs").empty_table(), *found]).combine_chunks())
            times = rows["event_time"].cast(pa.int64())
            return rows.filter(pc.and_(pc.greater_equal(times, from_us), pc.less(times, to_us)))
        raise TransientError(f"logs/{partition.path} changes all the time")

    def _again(self, old: pa.Table, partition: Partition, name: str) -> Report:
        total = Report()
        for group in _groups(old):
            first = self._parsed(group, name)
            unread = [batch.logs for batch in first if pc.any(pc.not_equal(batch.logs["parse_status"], "parsed"), min_count=0).as_py()]
            second = self._parsed(_of_ids(group, unread), "") if unread else []
            total += self._put(group, _best([*first, *second]), [batch.metrics for batch in [*first, *second]], partition, name)
        return total

    def _parsed(self, rows: pa.Table, name: str) -> tuple[Batch, ...]:
        """Take stored rows through the steps as lines; a time that was that of the receipt is not given."""
        received = int(rows["observed_time"].cast(pa.int64())[0].as_py() or 0)
        texts: pa.StringArray = pc.fill_null(pc.coalesce(one_array(rows["raw"]), one_array(rows["message"])), "")
        times: pa.TimestampArray = pc.if_else(pc.equal(rows["event_time"], rows["observed_time"]), None, rows["event_time"]).combine_chunks()
        known = {column: rows[column][0].as_py() or "" for column in _ORIGIN}
        origin = Origin(
            known["log_source"],
            known["stream_name"],
            known["cloud_account_id"],
            known["cloud_region"],
            known["aws_log_group_name"],
            known["aws_log_stream_name"],
            known["host_name"],
            known["service_name"],
            name,
        )
        rules = replace(self.work.rules, sampling=(), routes=())
        ids: pa.StringArray = pc.cast(one_array(rows["event_id"]), pa.string())
        lines = Lines(origin, received, texts, ids, times, said_of(rows) if origin.stream in SAID else None)
        return sift(lines, replace(self.work, rules=rules)).batches

    def _put(self, old: pa.Table, new: pa.Table, metrics: Sequence[pa.Table], partition: Partition, name: str) -> Report:
        """Put the rows that are others now; answer what became of all."""
        old = old.take(pc.index_in(new["event_id"], value_set=one_array(old["event_id"])).combine_chunks()) if new.num_rows else old.slice(0, 0)
        new = _as_stored(new, old)
        changed = _changed(old, new)
        old, put = old.filter(changed), new.filter(changed)
        counts = {status: int(pc.sum(pc.equal(new["parse_status"], status)).as_py() or 0) for status in STATUSES}
        told = Report(new.num_rows, put.num_rows, counts["parsed"], counts["partial"], counts["failed"])
        if not put.num_rows:
            return told
        put = with_column(put, "revision", pc.add(one_array(put["revision"]), 1))
        self._deliver(old, put, pa.concat_tables(metrics), name)
        moved = old.filter(pa.array([partition_of(int(at or 0)) != partition for at in put["event_time"].cast(pa.int64()).to_pylist()], pa.bool_()))
        if moved.num_rows:
            if not self.stream.flush(FLUSH_S):
                raise TransientError("the rows were put and are not in the lake yet: do it again later")
            self.stream.withdraw("logs", moved)
        return replace(told, moved=moved.num_rows)

    def _deliver(self, old: pa.Table, put: pa.Table, metrics: pa.Table, name: str) -> None:
        """Put rows, with the metrics of those lines that are read now and were not before."""
        lines = pc.replace_substring_regex(metrics["event_id"], "-[^-]*$", "")  # a metric's id is that of its line, and its name
        metrics = metrics.filter(pc.is_in(lines, value_set=one_array(put["event_id"])))
        metrics = with_column(metrics, "revision", pa.array([put["revision"][0].as_py()] * metrics.num_rows, pa.int64()))
        counts = [Count("collect", "events", put.num_rows, put.num_rows)]
        tables: dict[TableName, pa.Table] = {"logs": put.combine_chunks()}
        if metrics.num_rows:
            counts.append(Count("collect", "metrics", metrics.num_rows, metrics.num_rows))
            tables["metrics"] = metrics.combine_chunks()
        words = route(old, self.work.rules.routes)
        routes: Mapping[TableName, pa.StringArray] = {} if words is None else {"logs": words}
        self.stream.put(Delivery(f"reparse:{name}", self.clock.now_us(), tables, tuple(counts), routes=routes))


def _groups(rows: pa.Table) -> Iterator[pa.Table]:
    """Cut rows into those of one origin and revision."""
    keys = [one_array(rows[column]).cast(pa.string()) for column in _ORIGIN]
    marks = pc.binary_join_element_wise(*[pc.fill_null(key, "") for key in keys], "\x00").dictionary_encode().indices.to_numpy()
    for mark in np.unique(marks):
        yield rows.take(pa.array(np.flatnonzero(marks == mark)))


def _of_ids(rows: pa.Table, tables: Sequence[pa.Table]) -> pa.Table:
    """Answer the rows whose new row, in one of the tables, is not read in full."""
    ids = pa.concat_tables([table.filter(pc.not_equal(table["parse_status"], "parsed")) for table in tables])["event_id"]
    return rows.filter(pc.is_in(rows["event_id"], value_set=ids.combine_chunks()))


def _best(batches: Sequence[Batch]) -> pa.Table:
    """Answer of each event the row that is read best; of equals the first."""
    rows = pa.concat_tables([arrow_schema("logs").empty_table(), *(batch.logs for batch in batches)]).combine_chunks()
    ranks = _ranks(rows)
    codes = one_array(rows["event_id"]).dictionary_encode().indices.to_numpy()
    order = np.lexsort((np.arange(len(ranks)), -ranks, codes))
    first = np.ones(len(order), bool)
    first[1:] = codes[order][1:] != codes[order][:-1]
    return rows.take(pa.array(np.sort(order[first])))


def _ranks(rows: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    found = pc.fill_null(pc.index_in(rows["parse_status"], value_set=pa.array(STATUSES)), 0)
    return np.asarray(found.to_numpy(), np.int64)


def _as_stored(new: pa.Table, old: pa.Table) -> pa.Table:
    """Give new rows what is the old ones': the time of receipt, and where no time was found, the time; and the revision."""
    received, times = one_array(old["observed_time"]), one_array(new["event_time"])
    if new.num_rows:
        fallen_back = pc.and_(pc.equal(one_array(old["event_time"]), received), pc.equal(times, one_array(new["observed_time"])))
        new = with_column(new, "event_time", pc.if_else(fallen_back, one_array(old["event_time"]), times))
    return with_column(with_column(new, "observed_time", received), "revision", one_array(old["revision"]))


def _changed(old: pa.Table, new: pa.Table) -> AnyArray:
    """Mark the rows that are not what they were, and are read no worse."""
    differs = np.zeros(new.num_rows, bool)
    for column in new.column_names:
        if column not in _KEPT:
            same = pc.fill_null(pc.equal(old[column], new[column]), False)
            both_null = pc.and_(pc.is_null(old[column]), pc.is_null(new[column]))
            differs |= ~np.asarray(pc.or_(same, both_null).to_numpy(), dtype=bool)
    return pa.array(differs & (_ranks(new) >= _ranks(old)))


def _in_schema(rows: pa.Table) -> pa.Table:
    schema = arrow_schema("logs")
    columns = [rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _hour_us(partition: Partition) -> int:
    return from_datetime(datetime.strptime(f"{partition.day} {partition.hour}", "%Y-%m-%d %H").replace(tzinfo=UTC))
