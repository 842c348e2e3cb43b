"""Logprep doing what Tailrace does: CloudWatch payloads to Parquet, in one process. Runs in an environment of its own.

``python benchmarks/logprep_peer.py [--typed] KIND PAYLOADS_FILE FOLDER`` prints one JSON object; kinds are app, vpc and alb. It imports nothing of this project: Logprep has its own dependencies.

What is Logprep's: decoding the JSON of a line (``decoder``), naming its fields (``field_manager``), the number of the severity (``generic_resolver``), the trace id without its X-Ray
dashes (``dissector``), constants (``generic_adder``), leaving out what became columns (``dropper``); each event goes through ``Pipeline.process_event``, as in its own loop. What Logprep
has no part for is done around it with the fastest libraries there are: inflating (isal), the envelope (msgspec), attributes as JSON (orjson), rows to Arrow and to Parquet with the same options as ours.
Of flow logs and load balancers' lines the fields are Logprep's (``dissector``) and constants (``generic_adder``); numbers are made of texts around it, which is faster than by its own conversion. With
``--typed`` they are its own too (``convert_datatype``), and so is the line's own time (``timestamper``), as in a pipeline that a user of Logprep writes.
Event times are those of the envelope, on both sides. Logprep's queues, metrics endpoint and outputs are not in it: this is its fastest form.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from isal import isal_zlib
from logprep.framework.pipeline import Pipeline
from logprep.util.configuration import Configuration

ROWS_A_FILE = 40_000
WARM_UP = 10
IDS = ("event_id", "trace_id", "aws_request_id")
SEVERITIES = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
APP: dict[str, dict[str, Any]] = {
    "decoder": {"filter": "message", "decoder": {"source_format": "json", "mapping": {"message": "parsed"}}},
    "field_manager": {
        "filter": "parsed",
        "field_manager": {
            "mapping": {
                "message": "raw",
                "parsed.message": "message",
                "parsed.level": "severity_text",
                "parsed.service": "service_name",
                "parsed.request_id": "aws_request_id",
                "parsed.http.method": "http_request_method",
                "parsed.http.status_code": "http_response_status_code",
                "parsed.duration_ms": "duration_ms",
            },
            "overwrite_target": True,
        },
    },
    "generic_resolver": {
        "filter": "severity_text",
        "generic_resolver": {"field_mapping": {"severity_text": "severity_number"}, "resolve_list": SEVERITIES},
    },
    "dissector": {"filter": "parsed.trace_id", "dissector": {"mapping": {"parsed.trace_id": "1-%{trace_id}-%{+trace_id}"}}},
    "generic_adder": {"filter": "parsed", "generic_adder": {"add": {"log_format": "app.json", "parse_status": "parsed"}}},
    "dropper": {
        "filter": "parsed",
        "dropper": {
            "drop": [
                f"parsed.{name}"
                for name in ("timestamp", "message", "level", "service", "request_id", "trace_id", "http.method", "http.status_code", "duration_ms")
            ]
        },
    },
}
VPC = (
    "%{parsed.version} %{cloud_account_id} %{parsed.interface_id} %{source_address} %{destination_address} %{source_port} %{destination_port} %{parsed.protocol} %{parsed.packets} %{network_bytes} "
    "%{parsed.start} %{parsed.end} %{parsed.action} %{parsed.status}"
)
ALB = (
    "%{parsed.type} %{parsed.time} %{parsed.elb} %{client_address}:%{client_port} %{destination_address}:%{destination_port} %{parsed.request_processing} %{duration_s} %{parsed.response_processing} "
    '%{http_response_status_code} %{parsed.target_status} %{http_request_size} %{http_response_size} "%{http_request_method} %{url_full} %{parsed.protocol}" "%{user_agent}" %{parsed.cipher} '
    '%{parsed.tls} %{parsed.target_group} "Root=1-%{trace_id}-%{+trace_id}" "%{parsed.domain}" "%{parsed.certificate}" %{parsed.priority} %{parsed.created} "%{parsed.actions}" "%{parsed.redirect}" '
    '"%{parsed.error}" "%{parsed.targets}" "%{parsed.target_codes}" "%{parsed.classification}" "%{parsed.reason}" %{parsed.connection}'
)


def text_rules(pattern: str, log_format: str) -> dict[str, dict[str, Any]]:
    """Make the rules for lines of fields."""
    return {
        "dissector": {"filter": "message", "dissector": {"mapping": {"message": pattern}}},
        "generic_adder": {"filter": "parsed", "generic_adder": {"add": {"log_format": log_format, "parse_status": "parsed"}}},
    }


RULES = {"app": APP, "vpc": text_rules(VPC, "aws.vpc_flow"), "alb": text_rules(ALB, "aws.alb")}
TYPES: dict[str, dict[str, str]] = {
    "vpc": {"int": "parsed.version source_port destination_port parsed.protocol parsed.packets network_bytes parsed.end"},
    "alb": {
        "int": "client_port destination_port http_response_status_code parsed.target_status http_request_size http_response_size parsed.priority",
        "float": "parsed.request_processing duration_s parsed.response_processing",
    },
}
TIMES = {"app": ("parsed.timestamp", "ISO8601"), "vpc": ("parsed.start", "UNIX"), "alb": ("parsed.time", "ISO8601")}


def typed(kind: str) -> dict[str, dict[str, Any]]:
    """Make the rules with numbers and the line's own time."""
    rules = json.loads(json.dumps(RULES[kind]))
    source, form = TIMES[kind]
    if kind in TYPES:
        rules["dissector"]["dissector"]["convert_datatype"] = {name: word for word, names in TYPES[kind].items() for name in names.split()}
    stamped = {"filter": source, "timestamper": {"source_fields": [source], "target_field": "line_time", "source_format": form, "source_timezone": "UTC"}}
    names = list(rules)
    return (
        {name: rules[name] for name in names[: names.index("generic_adder")]}
        | {"timestamper": stamped}
        | {name: rules[name] for name in names[names.index("generic_adder") :]}
    )


WHOLE = {"source_port", "destination_port", "client_port", "network_bytes", "http_response_status_code", "http_request_size", "http_response_size"}
LAST = {"vpc": "status", "alb": "connection"}
FIELDS: list[tuple[str, pa.DataType]] = [
    ("event_id", pa.string()),
    ("event_time", pa.timestamp("us")),
    ("observed_time", pa.timestamp("us")),
    ("severity_text", pa.string()),
    ("severity_number", pa.int64()),
    ("message", pa.string()),
    ("service_name", pa.string()),
    ("log_format", pa.string()),
    ("log_source", pa.string()),
    ("cloud_account_id", pa.string()),
    ("aws_log_group_name", pa.string()),
    ("aws_log_stream_name", pa.string()),
    ("trace_id", pa.string()),
    ("aws_request_id", pa.string()),
    ("http_request_method", pa.string()),
    ("http_response_status_code", pa.int64()),
    ("duration_s", pa.float64()),
    ("client_address", pa.string()),
    ("client_port", pa.int64()),
    ("source_address", pa.string()),
    ("source_port", pa.int64()),
    ("destination_address", pa.string()),
    ("destination_port", pa.int64()),
    ("network_bytes", pa.int64()),
    ("http_request_size", pa.int64()),
    ("http_response_size", pa.int64()),
    ("url_full", pa.string()),
    ("user_agent", pa.string()),
    ("attributes", pa.string()),
    ("raw", pa.string()),
    ("parse_status", pa.string()),
]
SCHEMA = pa.schema(FIELDS)


class Event(msgspec.Struct):
    """One event of an envelope."""

    id: str
    timestamp: int
    message: str


class Message(msgspec.Struct, rename="camel"):
    """One envelope."""

    owner: str
    log_group: str
    log_stream: str
    log_events: list[Event]


def pipeline(rules: dict[str, dict[str, Any]]) -> Pipeline:
    """Make Logprep's pipeline from a configuration file and rule files, as its users do."""
    folder = Path(tempfile.mkdtemp())
    entries = []
    for name, rule in rules.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps([rule]))
        entries.append({name: {"type": name, "rules": [str(path)]}})
    config = folder / "pipeline.json"
    config.write_text(
        json.dumps(
            {
                "version": "1",
                "process_count": 1,
                "pipeline": entries,
                "input": {"dummy": {"type": "dummy_input", "documents": []}},
                "output": {"dummy": {"type": "dummy_output"}},
            }
        )
    )
    made = Pipeline(config=Configuration.from_sources([str(config)]), pipeline_index=0)
    _ = made._pipeline  # noqa: SLF001 - builds the processors, as its own set-up does
    return made


def rows(kind: str, payload: bytes, made: Pipeline, decoder: msgspec.json.Decoder[Message]) -> Iterator[dict[str, Any]]:
    """Take a payload through Logprep, event by event."""
    message = decoder.decode(isal_zlib.decompress(payload, 31))
    shared = {
        "cloud_account_id": message.owner,
        "aws_log_group_name": message.log_group,
        "aws_log_stream_name": message.log_stream,
        "log_source": f"cloudwatch:{message.log_group}",
        "observed_time": time.time_ns() // 1000,
    }
    for event in message.log_events:
        row: dict[str, Any] = {"message": event.message, "event_id": event.id, "event_time": event.timestamp * 1000, **shared}
        made.process_event(row)
        parsed = row.pop("parsed", None)
        if parsed is None or (kind in LAST and not parsed[LAST[kind]]):
            row = {"message": event.message, "event_id": event.id, "event_time": event.timestamp * 1000, "parse_status": "failed", **shared}
        else:
            if kind == "app":
                row["duration_s"] = row["duration_ms"] / 1000
            else:
                as_numbers(row)
            row["attributes"] = orjson.dumps(flat(parsed)).decode() if parsed else None
        yield row


def as_numbers(row: dict[str, Any]) -> None:
    """Make numbers of the texts that should be some."""
    for name in WHOLE & row.keys():
        text = row[name]
        row[name] = text if isinstance(text, int) else int(text) if text.isdigit() else None
    if "duration_s" in row:
        row["duration_s"] = float(row["duration_s"])


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten an object to dotted names."""
    found: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict):
            found |= flat(member, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = member
    return found


def write(batch: list[dict[str, Any]], path: Path) -> None:
    """Write rows as our lake's writer does."""
    table = pa.Table.from_pylist(batch, schema=SCHEMA)
    blooms = {name: {"ndv": len(batch), "fpp": 0.01} for name in IDS}
    plain = {*IDS, "message", "raw", "attributes", "event_time", "observed_time"}
    words = [name for name in SCHEMA.names if name not in plain]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=words,  # type: ignore[arg-type] # names are taken too
        bloom_filter_options=blooms,
    )


def main(kind: str, source: Path, folder: Path, *, is_typed: bool) -> None:
    """Measure from the first payload to the last byte written."""
    logging.disable(logging.CRITICAL)
    made, decoder = pipeline(typed(kind) if is_typed else RULES[kind]), msgspec.json.Decoder(Message)
    write([row for payload in islice(read(source), WARM_UP) for row in rows(kind, payload, made, decoder)], folder / "0.parquet")
    begun, cpu = time.perf_counter(), time.process_time()
    batch: list[dict[str, Any]] = []
    count = files = failed = 0
    with ThreadPoolExecutor(1) as writer:
        written: Future[Any] = writer.submit(int)
        for payload in read(source):
            batch.extend(rows(kind, payload, made, decoder))
            if len(batch) >= ROWS_A_FILE:
                failed += sum(row["parse_status"] == "failed" for row in batch)
                written.result()
                written = writer.submit(write, batch, folder / f"{files}.parquet")
                count, files, batch = count + len(batch), files + 1, []
        failed += sum(row["parse_status"] == "failed" for row in batch)
        written.result()
        write(batch, folder / f"{files}.parquet")
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    found = {"events": count + len(batch), "failed": failed, "seconds": seconds, "cpu_s": cpu_s, "bytes": size}
    print(json.dumps(found | {"peak_rss_mb": peak_rss_mb()}))


def peak_rss_mb() -> float:
    """Answer the largest resident memory of this process."""
    return int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) / 1024


def read(source: Path) -> Iterator[bytes]:
    """Read payloads, each with its length before it (4 bytes, big-endian)."""
    with source.open("rb") as file:
        while head := file.read(4):
            yield file.read(int.from_bytes(head, "big"))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--typed"]
    main(words[0], Path(words[1]), Path(words[2]), is_typed="--typed" in sys.argv)
