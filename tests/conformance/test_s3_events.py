"""Real events of others: every object that a notification of S3 names is found, in whatever it is wrapped in, and every other event is refused whole."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.envelopes.s3_event import Notification, is_notification, queue_messages, read_notification
from tailrace.errors import DecodeError

DATA = Path(os.environ.get("TAILRACE_DATA") or Path(__file__).parents[3] / "shared" / "data")
FOLDERS = ("powertools-events", "datadog-forwarder/tests/events")
FOUND = [pytest.param(path, id=str(path.relative_to(DATA))) for folder in FOLDERS for path in sorted((DATA / folder).glob("*.json"))]
NOTHING = [pytest.param(Path("none"), id="none")]


def objects_in(value: Any) -> Iterator[tuple[str, str]]:
    """Answer bucket and key of every description of an object, JSON in texts looked into, by no rule of ours."""
    match value:
        case {"bucket": {"name": bucket}, "object": {"key": key}}:
            yield bucket, key
        case dict():
            for inner in value.values():
                yield from objects_in(inner)
        case list():
            for inner in value:
                yield from objects_in(inner)
        case str() if value.lstrip()[:1] in {"{", "["}:
            try:
                yield from objects_in(json.loads(value))
            except ValueError:
                return


def read(event: Any) -> list[Notification]:
    messages = queue_messages(event)
    if not messages and not is_notification(event):
        raise DecodeError("another event of Lambda")
    return [read_notification(message.body) for message in messages] or [read_notification(event)]


@pytest.mark.parametrize("path", FOUND or NOTHING)
def test_every_object_of_an_event_is_found_or_counted_and_what_is_no_notification_is_refused(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"no events below {DATA}: set TAILRACE_DATA")
    event = json.loads(path.read_text("utf-8"))
    named = list(objects_in(event))
    if not named:
        with pytest.raises(DecodeError):
            read(event)
        return
    found = read(event)
    objects = [one for notification in found for one in notification.objects]
    assert len(objects) + sum(sum(one.dropped.values()) for one in found) == len(named)
    assert {one.bucket for one in objects} <= {bucket for bucket, _ in named}
    assert all(one.size is None or one.size >= 0 for one in objects)
    assert {one.key for one in objects if "%" not in one.key} <= {key.replace("%20", " ").replace("+", " ") for _, key in named}
