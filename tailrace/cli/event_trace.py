"""One event hop by hop: each answers yes, no, or that it cannot be known, and why. Nothing is written, and nobody is waited for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pyarrow.parquet as pq

from firehose.columns import compute
from firehose.dead_letters import DeadLetters
from firehose.dead_letters.store import Stored
from firehose.keeper.merge import source, view
from firehose.spool_search import Place, SpoolView, look
from queries.workspace import Workspace
from tailrace.clock import US_PER_MINUTE, US_PER_S, SystemClock, iso_ms
from tailrace.errors import TailraceError
from tailrace.lake import partition_of
from tailrace.ledger import open_ledger
from tailrace.schema import TableName
from tailrace.settings import Settings

TRACED: Final[tuple[TableName, ...]] = ("logs", "spans", "metrics")
MAX_HITS: Final = 10
YES, NO, UNKNOWN = "yes", "no", "cannot be known"


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop says of an event; ``told`` is where it is there, or why it is not, or why that cannot be known."""

    hop: str
    answer: str
    told: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``ledger trace --json`` prints it."""
        return {"hop": self.hop, "answer": self.answer, "told": self.told, **self.data}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a store that has the event's id."""

    place: str
    table: TableName
    hit: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Answer the place and what the row says of its origin."""
        return {"place": self.place, "table": self.table} | {name: self.hit["_source"].get(name) for name in ("revision", "@timestamp", "log.source")}


@dataclass(frozen=True, slots=True)
class Trace:
    """The hops of an event, and the rows of it that are in stores."""

    hops: tuple[Hop, ...]
    rows: tuple[Row, ...]

    @property
    def found(self) -> bool:
        """Whether the event is anywhere: in the spool, in a store, or in dead letters."""
        return any(hop.answer == YES for hop in self.hops)


def trace_event(settings: Settings, event_id: str) -> Trace:
    """Follow an event through every hop."""
    spool = look(settings.spool_folder, event_id)
    letters, unread = _letters(DeadLetters(settings.dead_folder).all(), event_id)
    with Workspace(settings, SystemClock()) as space:
        lake, lake_rows = _in_lake(space, event_id)
        search, search_rows = _in_opensearch(space, event_id)
    rows = (*lake_rows, *search_rows)
    origins = _origins(spool.places, rows, letters)
    hops = (_received(spool, origins), _spooled(settings, spool), lake, search, _dead(letters, unread), *_left_out(settings, {name for name, _ in origins}))
    return Trace(hops, rows)


def _origins(places: Iterable[Place], rows: Iterable[Row], letters: Iterable[Stored]) -> set[tuple[str, int]]:
    """Answer the sources that the event came from, with the minutes of receipt."""
    found = {(one.source, one.received_us) for one in places} | {(one.source, one.time_us) for one in letters}
    for row in rows:
        told = row.hit["_source"]
        at = told.get("observed_timestamp") or told.get("@timestamp")
        found.add((str(told.get("log.source") or ""), _us(at) if at else 0))
    named = {(name, at) for name, at in found if name}
    return {(name, at - at % US_PER_MINUTE) for name, at in named or found}


def _received(spool: SpoolView, origins: set[tuple[str, int]]) -> Hop:
    if origins:
        told = [{"source": name, "minute": iso_ms(minute)} for name, minute in sorted(origins)]
        return Hop("received", YES, "; ".join(f"{one['source'] or 'source not told'} at {one['minute']}" for one in told), {"from": told})
    if spool.gone:
        return Hop("received", YES, "its id was in the spool; of which source cannot be known, because that segment is deleted")
    return Hop("received", UNKNOWN, "because the ledger counts by source and minute and holds no ids, and no trace of it is left")


def _spooled(settings: Settings, spool: SpoolView) -> Hop:
    if spool.places:
        told = [_told(spool, place) for place in spool.places]
        return Hop("spool", YES, "; ".join(f"segment {one['segment']} at {one['offset']}: {_sinks(one['sinks'])}" for one in told), {"frames": told})
    if spool.gone:
        return Hop("spool", NO, f"it was in segment {', '.join(map(str, spool.gone))}, which every sink had passed when it was deleted")
    return Hop("spool", NO, "" if spool.there else f"there is no spool in {settings.spool_folder}")


def _told(spool: SpoolView, place: Place) -> dict[str, Any]:
    state = {sink: "not meant for it" if sink in place.withheld else "passed" if spool.passed(sink, place) else "not yet" for sink in sorted(spool.sinks)}
    return {"segment": place.segment, "offset": place.offset, "table": place.table, "sinks": state}


def _sinks(state: Mapping[str, str]) -> str:
    return ", ".join(f"{sink} {word}" for sink, word in state.items()) or "no sink"


def _in_lake(space: Workspace, event_id: str) -> tuple[Hop, list[Row]]:
    try:
        rows = _rows(space, "lake", event_id)
        keys = sorted({key for row in rows for key in _parts(space, row, event_id)})
    except TailraceError as error:
        return Hop("lake", UNKNOWN, f"because it does not answer: {error}"), []
    twice = f"; {len(rows)} times, until the keeper merges" if len(rows) > 1 else ""
    return (Hop("lake", YES, ", ".join(keys) + twice, {"parts": keys}) if rows else Hop("lake", NO)), rows


def _in_opensearch(space: Workspace, event_id: str) -> tuple[Hop, list[Row]]:
    if not space.settings.opensearch_url:
        return Hop("opensearch", UNKNOWN, "because the setting opensearch_url is empty"), []
    try:
        rows = _rows(space, "opensearch", event_id)
    except TailraceError as error:
        return Hop("opensearch", UNKNOWN, f"because it does not answer: {error}"), []
    indices = sorted({str(row.hit.get("_index", "")) for row in rows})
    return (
        Hop("opensearch", YES, ", ".join(indices), {"indices": indices}) if rows else Hop("opensearch", NO, "not there now; what was deleted leaves no trace")
    ), rows


def _rows(space: Workspace, engine: Any, event_id: str) -> list[Row]:  # noqa: ANN401 - the name of an engine
    body = {"query": {"term": {"event_id": {"value": event_id}}}, "size": MAX_HITS}
    return [Row(engine, table, hit) for table in TRACED for hit in space.engine(engine).search(table, body)["hits"]["hits"]]


def _parts(space: Workspace, row: Row, event_id: str) -> list[str]:
    """Answer the keys of the parts that count and hold the event, of the hour of its time."""
    seen = view(space.store, row.table, partition_of(_us(str(row.hit["_source"]["@timestamp"]))))
    columns = [(part.key, pq.read_table(source(space.store, part), columns=["event_id"]).column("event_id")) for part in seen.live]
    return [key for key, column in columns if compute.any(compute.equal(column, event_id)).as_py()]


def _letters(letters: Iterable[Stored], event_id: str) -> tuple[list[Stored], int]:
    """Answer the letters that name the event, and how many hold bytes that cannot be looked into."""
    found, unread, name = [], 0, event_id.encode("utf-8", "surrogatepass")
    for one in letters:
        if one.detail.get("event_id") == event_id or (name and name in one.body):
            found.append(one)
        elif one.kind == "payload":
            unread += 1
    return found, unread


def _dead(letters: Sequence[Stored], unread: int) -> Hop:
    if letters:
        ids = [one.id for one in letters]
        return Hop("dead letters", YES, "; ".join(f"{one.id}: {one.reason}" for one in letters[:MAX_HITS]), {"ids": ids})
    if unread:
        return Hop("dead letters", UNKNOWN, f"because {unread:,} payloads among them cannot be read")
    return Hop("dead letters", NO)


def _left_out(settings: Settings, sources: set[str]) -> list[Hop]:
    """Say whether it may have been dropped as a duplicate or by a rule: the ledger counts these by source and minute, and holds no ids."""
    rows = [row for row in open_ledger(settings.ledger_path).rows().to_pylist() if not sources or row["log_source"] in sources]
    return [_counted("duplicate", rows), _counted("dropped", rows)]


def _counted(name: str, rows: Iterable[Mapping[str, Any]]) -> Hop:
    counted = [row for row in rows if row[name]]
    if not counted:
        return Hop(name, NO, "the ledger has counted none")
    rules = sorted({row["rule"] for row in counted if row["rule"]})
    by = f" by {', '.join(rules[:MAX_HITS])}" if rules else ""
    total = sum(row[name] for row in counted)
    return Hop(name, UNKNOWN, f"because they are counted by source and minute: {total:,}{by}, without their ids", {"count": total, "rules": rules})


def _us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * US_PER_S)
