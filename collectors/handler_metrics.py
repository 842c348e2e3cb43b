"""The Lambda function's own metrics: one line for each call, of which CloudWatch makes metrics in the namespace ``Tailrace``, without a call to its API.

The line is CloudWatch's embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html), on the standard output, which Lambda writes to the function's log
group. Nothing is imported here that the collector has not imported: it costs no cold start.
"""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tailrace.clock import US_PER_MS, Clock

NAMESPACE: Final = "Tailrace"
COUNTED: Final[Mapping[str, str]] = MappingProxyType({"Payloads": "payloads", "Events": "events", "Dropped": "dropped", "Dead": "dead"})
"""Metrics, and the count of the answer that each is. ``Again``: records and messages that Lambda shall send again; ``Failed``: 1 where the call raised."""

TRANSFORMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Records": "records",
        "RecordsOk": "records_ok",
        "RecordsDropped": "records_dropped",
        "RecordsFailed": "records_failed",
        "RecordsReingested": "records_reingested",
        "BytesIn": "bytes_in",
        "BytesOut": "bytes_out",
    }
)
"""What a call of Amazon Data Firehose tells beside them."""

UNITS: Final[Mapping[str, str]] = MappingProxyType({**dict.fromkeys((*COUNTED, "Again", "Failed"), "Count"), "Duration": "Milliseconds"})
TRANSFORMED_UNITS: Final[Mapping[str, str]] = MappingProxyType({name: "Bytes" if name.startswith("Bytes") else "Count" for name in TRANSFORMED})

Work = Callable[[object], dict[str, Any]]


def measured(work: Work, event: object, function: str, clock: Clock, tell: Callable[[str], None]) -> dict[str, Any]:
    """Do a call's work and tell of it in one line, also where it raises; answer what it answers."""
    began_s, answer = clock.monotonic_s(), dict[str, Any]()
    failed = True
    try:
        answer = work(event)
        failed = False
    finally:
        tell(_line(answer, function, clock.now_us(), clock.monotonic_s() - began_s, failed=failed))
    return answer


def to_stdout(line: str) -> None:
    """Write a line to the standard output, at once and whole."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _line(answer: Mapping[str, Any], function: str, now_us: int, took_s: float, *, failed: bool) -> str:
    counts = answer.get("counts", {})
    told_of, units = ({**COUNTED, **TRANSFORMED}, {**UNITS, **TRANSFORMED_UNITS}) if "records" in counts else (COUNTED, UNITS)
    values: dict[str, float] = {name: counts.get(count, 0) for name, count in told_of.items()}
    values |= {"Again": len(answer.get("batchItemFailures", ())), "Failed": int(failed), "Duration": round(took_s * 1_000, 3)}
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics}
    told = {"_aws": {"Timestamp": now_us // US_PER_MS, "CloudWatchMetrics": [directive]}, "FunctionName": function, **values}
    return msgspec.json.encode(told).decode()
