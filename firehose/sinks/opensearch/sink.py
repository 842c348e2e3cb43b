"""OpenSearch: documents by ``_bulk``, each stored exactly once.

* 201 is done. 409 is done too: on the first attempt the document was there before (duplicate), on a later one, or after a restart, it was ours.
* 429, 5xx, time-outs, refused connections, cut answers: those documents are sent again, after a wait.
* 400 and other refusals of one document: a dead letter with the document and the reason; the others go on.
* 413, or a request that is refused whole with 400: it is halved, down to the one document that is at fault.
* 403 and 401, an index block or missing rights: nothing is lost, the sink waits.

The index templates are put before the first document and whenever the attribute register has grown; indices that are there get the new attributes too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from firehose.batches import Batch, Key, Limits
from firehose.columns import Ints, compute, ints, one_array, take
from firehose.cursor import OutcomeRow
from firehose.dead_letters import DeadLetters
from firehose.delivery import DeadLetter
from firehose.disk import Probe, no_probe
from firehose.frame import UNITS
from firehose.json_text import Texts
from firehose.opensearch_indices import day_indices
from firehose.parts import event_times
from firehose.sinks.opensearch.answer import STORED, Verdict, read_answer, refusal
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import index_of, lines
from tailrace.clock import Clock
from tailrace.errors import PermanentError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.forms import INDEX_PREFIX, OPENSEARCH_MAPPINGS, fields_limit, opensearch_template
from tailrace.schema import FieldType, TableName
from tailrace.text_hashes import text_bytes

NAME: Final = "opensearch"
MAX_REQUEST_BYTES: Final = 5 * 1024 * 1024
MAX_REQUEST_DOCUMENTS: Final = 5_000
PIECE_ROWS: Final = 10_000
LIMITS: Final = Limits(rows=20_000, nbytes=16 * 1024 * 1024, after_s=0.25)
_ANSWER: Final = {"filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"}
NOT_THERE: Final = "404 "
REFUSED: Final = "400 "
_NONE_IS_WELL: Final = {"allow_no_indices": "true"}
_NDJSON: Final = {"content-type": "application/x-ndjson"}


class Sends(Protocol):
    """The one call of opensearch-py's transport that is used."""

    def perform_request(self, method: str, url: str, *, params: Any = None, body: Any = None, headers: Any = None) -> Any:  # noqa: ANN401 - opensearch-py's own
        """Send a request, answer the JSON of the response; raises an error with ``status_code`` where there was one."""
        ...


class _RefusedError(TransientError):
    """OpenSearch refuses a template, a setting or a mapping."""


class OpenSearchSink:
    """Writes documents through a transport; ``serverless``: to a collection of OpenSearch Serverless, which must be one for searching (others refuse ids)."""

    name = NAME

    def __init__(
        self,
        transport: Sends,
        register: AttributeRegister,
        dead: DeadLetters,
        clock: Clock,
        *,
        limits: Limits = LIMITS,
        probe: Probe = no_probe,
        serverless: bool = False,
    ) -> None:
        self._transport, self._register, self._dead, self._clock, self._probe = transport, register, dead, clock, probe
        self.limits, self._serverless = limits, serverless
        self._split: AttributeSplit | None = None

    def attempt(self, batch: Batch, stem: str) -> "_Documents":
        """Prepare the documents of a batch."""
        return _Documents(self, batch, f"{NAME}-{stem}")

    def split(self) -> AttributeSplit:
        """Answer how attributes are split now; templates and mappings are in OpenSearch before it is used."""
        types = dict(self._register.types())
        if self._split is None or self._split.types != types:
            self._prepare(types, known=self._split.types if self._split else {})
            self._split = AttributeSplit(types)
        return self._split

    def bulk(self, body: bytes, count: int) -> Sequence[Verdict] | Verdict:
        """Send a body of so many documents; answer the verdict on each, or one on the request.

        Raises :class:`TransientError` where the answer does not say what became of them.
        """
        try:
            answer = self._transport.perform_request("POST", "/_bulk", params=_ANSWER, body=body, headers=_NDJSON)
        except Exception as error:  # noqa: BLE001 - those of opensearch-py, which is not imported here; others are raised again
            return refusal(error)
        self._probe("opensearch.sent")
        return read_answer(answer, count)

    def resend(self, letter: DeadLetter) -> None:
        """Send the document of a dead letter again; it may be there.

        Raises :class:`TransientError` where OpenSearch is not there, :class:`PermanentError` where it refuses again.
        """
        self.split()
        answer = self.bulk(b"%b\n%b\n" % (letter.detail["action"].encode(), letter.body), 1)
        verdict = answer if isinstance(answer, Verdict) else answer[0]
        if verdict.kind == "again":
            raise TransientError(verdict.reason)
        if verdict.kind in {"refused", "halve"}:
            raise PermanentError(f"opensearch refuses it again: {verdict.reason}")

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        """Delete documents whose newer revision lies in another day's index; one that is not there, or is newer, stays as it is."""
        times, revisions = event_times(rows), ints(rows, "revision")
        for start in range(0, rows.num_rows, MAX_REQUEST_DOCUMENTS):
            actions = [
                orjson.dumps({"delete": {"_index": index_of(name, int(at)), "_id": identity, "version": int(revision) + 2, "version_type": "external"}})
                for identity, at, revision in zip(
                    one_array(rows, "event_id").to_pylist()[start : start + MAX_REQUEST_DOCUMENTS], times[start:], revisions[start:], strict=False
                )
            ]
            answer = self.bulk(b"\n".join(actions) + b"\n", len(actions))
            verdicts = [answer] if isinstance(answer, Verdict) else answer
            if bad := next((one for one in verdicts if one.kind not in {"there", "stored"} and not one.reason.startswith(NOT_THERE)), None):
                raise TransientError(f"opensearch: {bad.reason}")

    def bury(self, place: str, letters: Sequence[DeadLetter]) -> None:
        """Write documents that were refused into dead letters."""
        self._dead.write(place, letters, time_us=self._clock.now_us(), sink=NAME)

    def _prepare(self, types: Mapping[str, FieldType], known: Mapping[str, FieldType]) -> None:
        for table in UNITS:
            self._put(f"/_index_template/{INDEX_PREFIX}{table}", opensearch_template(table, types, serverless=self._serverless))
        new = {name: dict(OPENSEARCH_MAPPINGS[kind]) for name, kind in sorted(types.items()) if known.get(name) is not kind}
        limit = {"index.mapping.total_fields.limit": fields_limit(types)}
        for indices in self._indices() if new else ():
            if fields_limit(known) != fields_limit(types):
                self._put(f"/{indices}/_settings", limit, _NONE_IS_WELL)
            self._grow(indices, new)

    def _grow(self, indices: str, new: Mapping[str, Mapping[str, Any]]) -> None:
        """Add fields to the mappings of indices that are there; one that an index has otherwise stays there as it is, until its day leaves, and stops no other."""
        try:
            self._put(f"/{indices}/_mapping", {"properties": {"attributes": {"type": "object", "dynamic": False, "properties": dict(new)}}}, _NONE_IS_WELL)
        except _RefusedError:
            if len(new) == 1:
                return
            names = list(new)
            for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                self._grow(indices, {name: new[name] for name in half})

    def _indices(self) -> list[str]:
        """Answer what a mapping is put to: all by patterns, but on OpenSearch Serverless, which wants names."""
        if self._serverless:
            return [index.name for index in day_indices(self._transport)]
        return [",".join(f"{INDEX_PREFIX}{table}-*" for table in UNITS)]

    def _put(self, path: str, body: Mapping[str, Any], params: Mapping[str, str] | None = None) -> None:
        try:
            self._transport.perform_request("PUT", path, params=params, body=body)
        except Exception as error:
            found = refusal(error)
            raise (_RefusedError if found.reason.startswith(REFUSED) else TransientError)(f"PUT {path}: {found.reason}") from error


@dataclass(slots=True)
class _Piece:
    """Rows of one table: what each is counted under, which of them are left, and which were sent before."""

    table: TableName
    rows: pa.Table
    origin: Ints
    keys: Sequence[Key]
    left: Ints
    sent: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Documents:
    """The delivery of one batch: pieces are sent until nothing of them is left."""

    sink: OpenSearchSink
    batch: Batch
    place: str
    pieces: list[_Piece] = field(default_factory=list)
    duplicate: Counter[Key] = field(default_factory=Counter)
    dead: Counter[Key] = field(default_factory=Counter)
    letters: list[DeadLetter] = field(default_factory=list)
    again: str = ""

    def __post_init__(self) -> None:
        self.pieces = [piece for name in self.batch.tables for piece in _pieces(self.batch, name)]

    def run(self) -> tuple[OutcomeRow, ...]:
        """Send what is left, until OpenSearch asks for patience."""
        split, self.again = self.sink.split(), ""
        for piece in self.pieces:
            if len(piece.left) and not self.again:
                rows = piece.rows if len(piece.left) == piece.rows.num_rows else take(piece.rows, piece.left)
                self._send(piece, lines(piece.table, rows, split))
        if self.again:
            raise TransientError(self.again)
        if self.letters:
            self.sink.bury(self.place, self.letters)
        return self.batch.outcome(self.duplicate, self.dead)

    def _send(self, piece: _Piece, texts: Texts) -> None:
        done = np.zeros(len(texts), np.bool_)
        try:
            for start, end in _requests(texts):
                self._request(piece, texts, done, start, end)
                if self.again:
                    break
        finally:
            piece.left = piece.left[~done]

    def _request(self, piece: _Piece, texts: Texts, done: npt.NDArray[np.bool_], start: int, end: int) -> None:
        """Send some documents, in halves where they are too much; note those that are done with."""
        rows = piece.left[start:end]
        first = ~piece.sent[rows]
        piece.sent[rows] = True
        answer = self.sink.bulk(_body(texts, start, end), end - start)
        if isinstance(answer, Verdict) and answer.kind == "halve" and end - start > 1:
            piece.sent[rows] = ~first
            for low, high in pairwise((start, (start + end) // 2, end)):
                self._request(piece, texts, done, low, high)
            return
        verdicts = [answer] if isinstance(answer, Verdict) and answer.kind == "halve" else answer
        if isinstance(verdicts, Verdict):
            self.again = verdicts.reason
            return
        stored = np.fromiter((verdict is STORED for verdict in verdicts), np.bool_, end - start)
        done[start:end] = stored
        for at in np.flatnonzero(~stored).tolist():
            done[start + at] = self._judge(piece, int(rows[at]), verdicts[at], texts[start + at].as_py, first=bool(first[at]))

    def _judge(self, piece: _Piece, row: int, verdict: Verdict, text: Callable[[], str], *, first: bool) -> bool:
        """Count a document; answer whether it is done with."""
        key = piece.keys[piece.origin[row]]
        match verdict.kind:
            case "again":
                self.again = verdict.reason
                return False
            case "there" if first:
                self.duplicate[key] += 1
            case "refused" | "halve":
                self.dead[key] += 1
                self.letters.append(_letter(text(), key, piece.table, verdict.reason))
            case _:
                pass
        return True


def _pieces(batch: Batch, name: TableName) -> list[_Piece]:
    table, origin = batch.table(name), batch.origin(name)
    found = []
    for start in range(0, table.num_rows, PIECE_ROWS):
        rows = table.slice(start, PIECE_ROWS)
        count = rows.num_rows
        found.append(_Piece(name, rows, origin[start : start + count], batch.keys[name], np.arange(count), np.full(count, batch.retried)))
    return found


def _requests(texts: Texts) -> Iterator[tuple[int, int]]:
    """Cut documents into requests by count and bytes; a document that is too long alone is a request of its own."""
    ends = np.cumsum(compute.binary_length(texts).to_numpy())
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        fits = int(np.searchsorted(ends, before + MAX_REQUEST_BYTES, side="right"))
        end = min(max(fits, start + 1), start + MAX_REQUEST_DOCUMENTS)
        yield start, end
        start = end


def _body(texts: Texts, start: int, end: int) -> bytes:
    """Answer the bytes of some texts, which lie one after the other."""
    offsets, data = text_bytes(texts)
    return data[offsets[start] : offsets[end]].tobytes()


def _letter(text: str, key: Key, table: TableName, reason: str) -> DeadLetter:
    action, _, document = text.partition("\n")
    return DeadLetter("document", reason, document.rstrip("\n").encode(), {"sink": NAME, "action": action, "table": table, "source": key[0]})
