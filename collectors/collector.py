"""The collector: what every way in calls. Bytes, lines or documents go in; a durable delivery with balanced counts comes of them.

A call returns when the delivery stream has what was made of the input, so only then may it be acknowledged upstream. It raises
:class:`tailrace.errors.TransientError` where the stream takes nothing now: the same call may be made again. No input makes it raise
anything else: what cannot be read is a dead letter that holds it whole.

Counts: hop ``decode`` in payloads (an envelope, or an X-Ray document), hop ``collect`` in events, spans and metrics.
"""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count
from operator import add
from types import MappingProxyType
from typing import Any, Final, Literal

import pyarrow as pa

from collectors.envelopes import cloudwatch, xray
from collectors.envelopes.opened import KINDS, Opened, Sent, detail_of, sent_of
from collectors.lines import Lines, Origin
from collectors.meter import Metered
from collectors.parsed import MADE, NO_ROUTES, Parsed, collect_counts, made_counts, routes_of, sum_of, went_out
from collectors.poison import LINE, letters_of, line_of, sift, traceback_hash
from collectors.steps import DOCUMENTS, Batch, ParseLines, Work, gather
from firehose.delivery import Count, DeadLetter, Delivery, DeliveryStream
from tailrace.clock import Clock
from tailrace.errors import DecodeError
from tailrace.fields import AttributeRegister, Holder
from tailrace.ids import position_event_id
from tailrace.schema import TableName
from tailrace.tracing import UNTRACED, traced

PayloadKind = Literal["cloudwatch", "xray"]
Replay = Callable[[DeadLetter], "Summary"]

INFLATE_MAX_BYTES: Final = 256 * 1024 * 1024
TOGETHER_BYTES: Final = 4 * 1024 * 1024
"""Text of payloads that are put together: with four times as much, short lines (VPC flow logs) take half as long again and 130 MB more memory, and long ones gain nothing."""


SERVICE: Final = "tailrace-collector"
"""The name of segments of what does not come through the gateway's port: files, queues, streams, syslog."""

NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the input of a call; ``events``, ``spans`` and ``metrics`` are rows that were put, ``dropped`` control messages and empty lines."""

    payloads: int = 0
    events: int = 0
    spans: int = 0
    metrics: int = 0
    joined: int = 0
    dropped: int = 0
    dead: tuple[DeadLetter, ...] = ()

    def __add__(self, other: "Summary") -> "Summary":
        """Answer what became of both."""
        return Summary(*(add(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON document of a client that writes to an index, and the ``_id`` it gave (empty: none)."""

    body: bytes
    index: str
    id: str = ""


class Collector:
    """Makes deliveries of what comes in, and puts them into a delivery stream; may be shared by threads.

    ``work`` is what the steps work with: parsers and rules. ``region`` is that of the receiver.
    """

    def __init__(
        self,
        stream: DeliveryStream,
        work: Work,
        register: AttributeRegister,
        clock: Clock,
        inflate_max_bytes: int = INFLATE_MAX_BYTES,
        region: str = "",
    ) -> None:
        self._stream, self._work, self._register, self._clock = stream, work, register, clock
        self._inflate_max_bytes, self._region = inflate_max_bytes, region
        self._parsing = threading.Lock()
        self._sequence = count(clock.now_us())
        self._replays: dict[str, Replay] = {}
        self.tracer = UNTRACED

    @property
    def inflate_max_bytes(self) -> int:
        """What one compressed payload may inflate to."""
        return self._inflate_max_bytes

    def collect_payload(self, data: bytes | str, kind: PayloadKind = "cloudwatch", source: str = "") -> Summary:
        """Decode an envelope and put what it holds; ``source`` names it in the ledger where the envelope does not."""
        if kind == "xray":
            return self.collect_spans([_bytes(data)], source or "xray")
        return self.collect_payloads([data], source)

    def collect_payload_but(self, data: bytes, hold: Callable[[Lines], Lines], source: str = "") -> Summary:
        """Decode a CloudWatch payload and put what it holds, but for the lines that ``hold`` keeps back of each run."""
        decoded = self._decode(data)
        if isinstance(decoded, cloudwatch.Decoded):
            decoded = replace(decoded, runs=tuple(map(hold, decoded.runs)))
        return self._put_decoded([decoded], source)

    def collect_payloads(self, payloads: Iterable[bytes | str], source: str = "") -> Summary:
        """Decode CloudWatch payloads and put what they hold, lines of one origin together: ten at a time cost half of what one at a time do.

        Where it raises, part of the payloads may have been put; their events have the same ids when all are put again.
        """
        summary, waiting, size = Summary(), list[cloudwatch.Decoded | DeadLetter](), 0
        with self.tracer.segment(SERVICE, source=source or cloudwatch.STREAM_NAME):
            for payload in payloads:
                decoded = self._decode(payload)
                waiting.append(decoded)
                size += sum(run.text.nbytes for run in decoded.runs) if isinstance(decoded, cloudwatch.Decoded) else len(decoded.body)
                if size >= TOGETHER_BYTES:
                    summary += self._put_decoded(waiting, source)
                    waiting, size = [], 0
            return summary + self._put_decoded(waiting, source)

    def collect_lines(self, lines: Lines, dropped: Mapping[str, int] = NOTHING) -> Summary:
        """Parse lines of one origin and put their rows; ``dropped`` are lines that the source left out, by the name of its rule."""
        with self.tracer.segment(SERVICE, source=lines.origin.counted_as):
            return self._put_runs([lines], dropped=dropped) if len(lines) or dropped else Summary()

    def collect_spans(self, documents: Sequence[bytes], source: str, dead: Sequence[DeadLetter] = ()) -> Summary:
        """Read X-Ray segment documents and put their spans; ``dead`` are payloads of the same source in which no document was found."""
        read = xray.segments_to_spans(documents, source=source, received_us=self._clock.now_us())
        came_in, letters = len(documents) + len(dead), (*dead, *read.dead)
        if not came_in:
            return Summary()
        self._register.learn(read.attribute_types, Holder("xray", source))
        decoded = Count("decode", "payloads", came_in, came_in - len(letters), dead=len(letters))
        spans = Count("collect", "spans", read.spans.num_rows, read.spans.num_rows)
        return self._put(source, {"spans": read.spans}, (decoded, spans), letters)

    def collect_metrics(self, points: pa.Table, source: str) -> Summary:
        """Put rows of ``metrics`` that a source made itself."""
        return self._put(source, {"metrics": points}, (Count("collect", "metrics", points.num_rows, points.num_rows),)) if points.num_rows else Summary()

    def collect_documents(self, documents: Sequence[Document], source: str = "gateway:bulk") -> Summary:
        """Parse documents as JSON application logs and put their rows, index by index.

        Without an ``_id`` the event id is a hash of the document and a sequence number, which is stored with the row before this returns.
        """
        indexes = dict.fromkeys(document.index for document in documents)
        runs = [self._document_lines([one for one in documents if one.index == index], index, source) for index in indexes]
        return self._put_runs(runs) if runs else Summary()

    def collect_sent(self, payloads: Sequence[tuple[str, Sent]]) -> Summary:
        """Open payloads (each with its kind, one of ``collectors.envelopes.openers``) and put all that they hold at once, under the source of the first."""
        if not payloads:
            return Summary()
        with traced("decode", payloads=len(payloads)):
            opened = [self._opened(kind, sent) for kind, sent in payloads]
        unread = [one for one in opened if isinstance(one, DeadLetter)]
        read = [one for one in opened if isinstance(one, Opened)]
        for one in read:
            self._register.learn(one.types, Holder(payloads[0][0], payloads[0][1].source))
        parsed = self._parsed([run for one in read for run in one.runs], sum_of(one.dropped for one in read if one.runs))
        tables = dict(parsed.tables)
        counts = [Count("decode", "payloads", len(opened), len(read), dead=len(unread)), *parsed.counts]
        for name, unit in MADE:
            counts += made_counts(name, unit, read)
            made = [one.tables[name] for one in read if name in one.tables]
            tables |= {name: pa.concat_tables([*([tables[name]] if name in tables else []), *made])} if made else {}
        with parsed.counted():
            return self._put(
                payloads[0][1].source, tables, tuple(counts), [*unread, *(letter for one in read for letter in one.dead), *parsed.dead], parsed.routes
            )

    def collect_dead(self, source: str, letters: Sequence[DeadLetter]) -> Summary:
        """Put payloads that a source could not decode."""
        decoded = Count("decode", "payloads", len(letters), 0, dead=len(letters))
        return self._put(source, {}, (decoded,), letters) if letters else Summary()

    def collect_notices(self, source: str, passed: int, dropped: Mapping[str, int] = NOTHING) -> Summary:
        """Count payloads that only name what is read: ``passed`` was read to its end, for ``dropped`` there was nothing to read, by the name of the rule."""
        came_in = passed + sum(dropped.values())
        return self._put(source, {}, (Count("decode", "payloads", came_in, passed, dict(dropped)),)) if came_in else Summary()

    def read_over(self, lines: Lines) -> None:
        """Read lines and put nothing: what a format remembers of them, a header, is there for those that follow."""
        with self._parsing:
            sift(lines, self._work)

    def replay_by(self, envelope: str, replay: Replay) -> None:
        """Let dead letters of an envelope be replayed by the source that knows it."""
        self._replays[envelope] = replay

    def status(self) -> dict[str, Any]:
        """Answer what the collector knows of its sources, as JSON shows it."""
        return {"quotas": self._work.meter.status() if self._work.meter else []}

    def use(self, parse_lines: ParseLines) -> None:
        """Read lines with other parsers from now on: formats were mended."""
        with self._parsing:
            self._work = replace(self._work, parse_lines=parse_lines)

    def close(self) -> None:
        """Write down what must outlive the process."""
        if self._work.meter:
            self._work.meter.close()
        if self._work.health:
            self._work.health.close()

    def replay(self, letter: DeadLetter) -> Summary:
        """Collect again what a dead letter of a collector holds, after what was at fault was mended."""
        if by := self._replays.get(letter.detail.get("envelope", "")):
            return by(letter)
        if letter.detail.get("envelope") == LINE:
            return self._put_runs([line_of(letter)], metered=False)
        if (envelope := letter.detail.get("envelope", "")) in KINDS:
            identity = hashlib.blake2b(letter.body, digest_size=16).hexdigest()
            return self.collect_sent([(envelope, sent_of(letter.body, letter.detail, identity))])
        kind: PayloadKind = "xray" if letter.detail.get("envelope") == "xray" else "cloudwatch"
        return self.collect_payload(letter.body, kind, letter.detail.get("source", ""))

    def _document_lines(self, documents: Sequence[Document], index: str, source: str) -> Lines:
        texts = [document.body.decode("utf-8", "replace") for document in documents]
        ids = [document.id or self._next_id(document.body) for document in documents]
        no_times = pa.nulls(len(documents), pa.timestamp("us"))
        origin = Origin(source, index, format=DOCUMENTS)
        return Lines(origin, self._clock.now_us(), pa.array(texts, pa.string()), pa.array(ids, pa.string()), no_times)

    def _next_id(self, body: bytes) -> str:
        return position_event_id("document", hashlib.blake2b(body, digest_size=16).hexdigest(), next(self._sequence))

    def _decode(self, data: bytes | str) -> cloudwatch.Decoded | DeadLetter:
        try:
            with traced("decode", bytes=len(data)):
                return cloudwatch.decode(data, received_us=self._clock.now_us(), inflate_max_bytes=self._inflate_max_bytes, region=self._region)
        except Exception as error:  # noqa: BLE001 - a fault of the decoder must not end the process nor lose the payload
            reason = f"the decoder raised {type(error).__name__}: {str(error)[:200]}"
            return DeadLetter("payload", reason, _bytes(data), {"envelope": cloudwatch.STREAM_NAME, "traceback_hash": traceback_hash(error)})

    def _opened(self, kind: str, sent: Sent) -> Opened | DeadLetter:
        known = replace(sent, received_us=sent.received_us or self._clock.now_us(), sequence=sent.sequence or next(self._sequence))
        try:
            return _open(kind, known)
        except DecodeError as error:
            return DeadLetter("payload", str(error), sent.data, detail_of(kind, known))
        except Exception as error:  # noqa: BLE001 - a fault of the opener must not end the process nor lose the payload
            reason = f"the opener raised {type(error).__name__}: {str(error)[:200]}"
            return DeadLetter("payload", reason, sent.data, {**detail_of(kind, known), "traceback_hash": traceback_hash(error)})

    def _put_decoded(self, decoded: Sequence[cloudwatch.Decoded | DeadLetter], source: str) -> Summary:
        summary = self._put_without_lines(decoded, source or cloudwatch.STREAM_NAME)
        with_lines = [one for one in decoded if isinstance(one, cloudwatch.Decoded) and one.runs]
        passed = Counter(one.runs[0].origin.source for one in with_lines)
        runs = [run for one in with_lines for run in one.runs]
        for name in dict.fromkeys(run.origin.source for run in runs):
            count = (Count("decode", "payloads", passed[name], passed[name]),) if name in passed else ()
            summary += self._put_runs([run for run in runs if run.origin.source == name], count)
        return summary

    def _put_without_lines(self, decoded: Sequence[cloudwatch.Decoded | DeadLetter], source: str) -> Summary:
        dead = [one for one in decoded if isinstance(one, DeadLetter)]
        control = sum(isinstance(one, cloudwatch.Decoded) and not one.runs for one in decoded)
        if not dead and not control:
            return Summary()
        dropped = {cloudwatch.CONTROL_RULE: control} if control else {}
        return self._put(source, {}, (Count("decode", "payloads", len(dead) + control, 0, dropped, dead=len(dead)),), dead)

    def _put_runs(self, runs: Sequence[Lines], decoded: tuple[Count, ...] = (), dropped: Mapping[str, int] = NOTHING, *, metered: bool = True) -> Summary:
        parsed = self._parsed(runs, dropped, metered=metered)
        with parsed.counted():
            return self._put(runs[0].origin.counted_as, parsed.tables, decoded + parsed.counts, parsed.dead, parsed.routes)

    def _parsed(self, runs: Sequence[Lines], dropped: Mapping[str, int], *, metered: bool = True) -> Parsed:
        if not runs:
            return Parsed({}, (), [])
        gathered, came_in = gather(runs)
        joined = came_in - sum(map(len, gathered))
        within = self._work.meter.split(runs[0].origin.counted_as, gathered) if metered and self._work.meter else Metered(gathered)
        try:
            with traced("parse", lines=came_in), self._parsing:
                sifted = [sift(run, self._work) for run in within.lines]
        except BaseException:
            within.give_back()
            raise
        batches = [batch for part in sifted for batch in part.batches]
        tables: dict[TableName, pa.Table] = {}
        if batches:
            tables = {"logs": pa.concat_tables([b.logs for b in batches]), "metrics": pa.concat_tables([b.metrics for b in batches])}
        beyond = {rule: len(lines) for rule, lines in within.dead}
        counts = collect_counts(came_in + sum(dropped.values()), joined, sifted, Counter(dropped) + Counter(within.dropped), beyond)
        letters = [letter for rule, lines in within.dead for letter in letters_of(lines, f"beyond the quota {rule.partition(':')[2]!r}", rule=rule)]
        return Parsed(
            tables,
            counts,
            [*letters, *(letter for part in sifted for letter in part.dead)],
            routes_of(batches),
            within.give_back,
            partial(self._note, runs[0].origin.counted_as, batches),
        )

    def _note(self, source: str, batches: Sequence[Batch]) -> None:
        if self._work.health:
            for batch in batches:
                self._work.health.note(source, batch)

    def _put(
        self,
        source: str,
        tables: Mapping[TableName, pa.Table],
        counts: tuple[Count, ...],
        dead: Iterable[DeadLetter] = (),
        routes: Mapping[TableName, pa.StringArray] = NO_ROUTES,
    ) -> Summary:
        filled = {name: table for name, table in tables.items() if table.num_rows}
        letters = tuple(replace(letter, detail={"source": source, **letter.detail}) for letter in dead)
        with traced("put", source=source, rows=sum(table.num_rows for table in filled.values()), dead=len(letters)):
            self._stream.put(Delivery(source, self._clock.now_us(), filled, counts, letters, routes))
        return Summary(
            sum(one.came_in for one in counts if one.unit == "payloads"),
            went_out(counts, "events"),
            went_out(counts, "spans"),
            went_out(counts, "metrics"),
            joined=sum(one.joined for one in counts),
            dropped=sum(sum(one.dropped.values()) for one in counts),
            dead=letters,
        )


def _open(kind: str, sent: Sent) -> Opened:
    from collectors.envelopes.openers import OPENERS  # protobuf's classes take long to import, and the Lambda function needs none

    return OPENERS[kind](sent)


def _bytes(data: bytes | str) -> bytes:
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
