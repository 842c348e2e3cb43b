"""What Lambda hands to a function: which payloads an event holds, and how each is named when it fails.

Event shapes (https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html, .../with-kinesis.html)::

    {"awslogs": {"data": "<base64>"}}                                                        a subscription that calls the function
    {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "...", "data": "<base64>"}, ...}]}    a Kinesis stream

A record that is not as it should be is a payload too: it becomes a dead letter in the decoder. An event of any other shape is a :class:`DecodeError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.envelopes.tolerant_json import as_text
from tailrace.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload of an event: base64 text, its Kinesis sequence number (empty: none), and the source's name in the ledger."""

    data: str
    sequence_number: str = ""
    source: str = "cloudwatch"


def payloads(event: object) -> tuple[Payload, ...]:
    """List the payloads of an event; raises :class:`DecodeError` for a shape that is not known."""
    match event:
        case {"awslogs": {"data": str(data)}}:
            return (Payload(data),)
        case {"Records": [*records]} if records and all(_is_kinesis(record) for record in records):
            return tuple(_kinesis_payload(record) for record in records)
    keys = sorted(as_text(key) for key in event)[:10] if isinstance(event, Mapping) else [type(event).__name__]
    raise DecodeError(f"an event of an unknown shape: {', '.join(keys) or 'empty'}; known are awslogs.data, Records[].kinesis.data and notifications of S3")


def _is_kinesis(record: object) -> bool:
    return isinstance(record, Mapping) and isinstance(record.get("kinesis"), Mapping)


def _kinesis_payload(record: Mapping[str, Any]) -> Payload:
    kinesis, arn = record["kinesis"], record.get("eventSourceARN")
    data, number = kinesis.get("data"), kinesis.get("sequenceNumber")
    stream = arn.rpartition("/")[2] if isinstance(arn, str) else ""
    return Payload(
        data if isinstance(data, str) else as_text(data),
        number if isinstance(number, str) else "",
        f"kinesis:{stream}"[:256],
    )
