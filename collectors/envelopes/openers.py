"""The kinds of payloads that the doors take, beside CloudWatch's and X-Ray's, and what opens each: a dead letter is opened by the same again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.envelopes.fluent_forward import open_forward
from collectors.envelopes.metric_stream import open_json, open_otel
from collectors.envelopes.opened import Opened, Sent
from collectors.envelopes.otlp.encoding import from_json, from_protobuf
from collectors.envelopes.otlp.logs import open_logs
from collectors.envelopes.otlp.metrics import open_metrics
from collectors.envelopes.otlp.promote import promoted
from collectors.envelopes.otlp.spans import open_spans
from collectors.envelopes.otlp.values import json_text
from collectors.known import known_table
from collectors.lines import Origin
from collectors.sources.text_lines import EMPTY_RULE, runs

STREAM_NAME: Final = "firehose"


def open_lines(sent: Sent, *, as_lines: bool = False) -> Opened:
    """Answer the lines of a record of text, or its JSON records (not with ``as_lines``); empty lines are left out."""
    origin = Origin(sent.source, STREAM_NAME, account=sent.account, region=sent.region, format=sent.format)
    found = list(runs([sent.data], origin, f"{STREAM_NAME}:{sent.identity}", sent.received_us, as_lines=as_lines))
    empty = sum(run.empty for run in found)
    return Opened(tuple(replace(run.lines, known=_same_of_all(sent, run.lines.event_id)) for run in found), dropped={EMPTY_RULE: empty} if empty else {})


def _same_of_all(sent: Sent, ids: pa.StringArray) -> pa.Table | None:
    if not sent.attributes:
        return None
    attributes = dict(sent.attributes)
    columns = promoted(attributes, "logs") | {"attributes": json_text(attributes)}
    return known_table({"event_id": ids, **{name: pa.array([value] * len(ids)) for name, value in columns.items() if value is not None}})


OPENERS: Final[Mapping[str, Callable[[Sent], Opened]]] = MappingProxyType(
    {
        "forward": open_forward,
        "lines": open_lines,
        "plain_lines": partial(open_lines, as_lines=True),
        "metric_stream_json": open_json,
        "metric_stream_otel": open_otel,
        "otlp_logs": lambda sent: open_logs(from_protobuf(sent.data, ExportLogsServiceRequest), sent),
        "otlp_logs_json": lambda sent: open_logs(from_json(sent.data, ExportLogsServiceRequest), sent),
        "otlp_metrics": lambda sent: open_metrics(from_protobuf(sent.data, ExportMetricsServiceRequest), sent),
        "otlp_metrics_json": lambda sent: open_metrics(from_json(sent.data, ExportMetricsServiceRequest), sent),
        "otlp_traces": lambda sent: open_spans(from_protobuf(sent.data, ExportTraceServiceRequest), sent),
        "otlp_traces_json": lambda sent: open_spans(from_json(sent.data, ExportTraceServiceRequest), sent),
    }
)
