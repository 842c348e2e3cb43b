"""The sources of S3 as the settings say; the clients of AWS are made here."""

import math
import threading
from dataclasses import replace
from urllib.parse import urlsplit

from collectors.collector import Collector
from collectors.lines import Origin
from collectors.sources.s3_clients import Clients
from collectors.sources.s3_notices import S3Notices
from collectors.sources.s3_objects import ObjectSource
from collectors.sources.s3_queue import Boto3Queue, QueueReaders
from collectors.sources.s3_ranges import Boto3Ranges
from tailrace import aws
from tailrace.clock import Clock
from tailrace.settings import Settings


def clients_from_settings(settings: Settings) -> Clients:
    """Make what calls S3, in whatever region a bucket lies."""
    return Clients(lambda region: aws.client("s3", replace(settings, region=region)), settings.region)


def objects_from_settings(
    settings: Settings,
    collector: Collector,
    clock: Clock,
    *,
    origin: Origin | None = None,
    stop: threading.Event | None = None,
    patience_s: float = math.inf,
) -> ObjectSource:
    """Make the source of objects, whatever region their buckets lie in."""
    return ObjectSource(collector, clock, Boto3Ranges(clients_from_settings(settings)), origin=origin, stop=stop, patience_s=patience_s)


def notices_from_settings(
    settings: Settings, collector: Collector, clock: Clock, *, stop: threading.Event | None = None, patience_s: float = math.inf
) -> S3Notices:
    """Make what takes notifications."""
    objects = objects_from_settings(settings, collector, clock, stop=stop, patience_s=patience_s)
    return S3Notices(collector, objects, settings.s3_queue_max_receives)


def queue_from_settings(settings: Settings, collector: Collector, clock: Clock) -> QueueReaders:
    """Make the readers of the queue that the settings name; they run while they are open as a context."""
    stop, url = threading.Event(), settings.s3_queue_url
    notices = notices_from_settings(settings, collector, clock, stop=stop)
    client = aws.client("sqs", replace(settings, region=region_of(url) or settings.region))
    return QueueReaders(Boto3Queue(client, url), lambda message: notices.take(message, queue_name(url)), clock, stop, settings.s3_queue_readers)


def region_of(url: str) -> str:
    """Answer the region that the address of a queue names; empty where it names none.

    >>> region_of("https://sqs.eu-west-1.amazonaws.com/123456789012/logs")
    'eu-west-1'
    >>> region_of("http://127.0.0.1:5000/123456789012/logs")
    ''
    """
    labels = (urlsplit(url).hostname or "").split(".")
    return labels[1] if labels[0] == "sqs" and len(labels) > 3 else ""


def queue_name(name: str) -> str:
    """Answer how a queue is named in the ledger, by its address or its ARN.

    >>> queue_name("https://sqs.eu-west-1.amazonaws.com/123456789012/logs"), queue_name("arn:aws:sqs:eu-west-1:123456789012:logs")
    ('sqs:logs', 'sqs:logs')
    """
    return f"sqs:{name.rpartition('/')[2].rpartition(':')[2]}"[:256]
