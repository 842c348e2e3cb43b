"""CloudWatch Logs payloads to measure with: made from a seed, the same ones for every side and every run.

A payload is what a subscription delivers: gzip of one JSON object with 200 events. One event in a thousand cannot be read (it is cut off in the middle). The kinds of lines:

* ``app``: JSON of an application, 12 members at the top, two nested objects; about 350 bytes;
* ``vpc``: VPC flow logs, version 2, default fields; about 105 bytes; one in a hundred is NODATA;
* ``alb``: access logs of an Application Load Balancer, all 30 fields; about 650 bytes;
* ``cloudtrail``: CloudTrail events of five services, with request and response elements; about 1,400 bytes;
* ``cloudfront``: CloudFront's standard logs, all 33 fields, tab-separated; about 400 bytes;
* ``s3``: S3 server access logs; about 540 bytes;
* ``nginx``: access logs of nginx in its combined form; about 200 bytes.
"""

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

EVENTS_A_PAYLOAD: Final = 200
BAD_EVERY: Final = 1_000
PAYLOADS_A_STREAM: Final = 10
"""Payloads in a row that come from one log stream."""

START_MS: Final = 1_795_000_000_000
"""2026-11-18; payloads are 10 seconds apart."""

_SERVICES: Final = ("web", "cart", "payment", "inventory", "mail")
_LEVELS: Final = ("DEBUG", "INFO", "INFO", "INFO", "INFO", "INFO", "WARN", "ERROR")
_VERBS: Final = ("charged", "reserved", "shipped", "refused", "queued", "cached", "looked up", "retried")
_PATHS: Final = ("/cart", "/checkout", "/api/orders", "/api/stock", "/health", "/login", "/static/app.js")
_AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "curl/8.14.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)


def app_line(rng: random.Random, ms: int) -> str:
    """Make a line of an application's JSON log."""
    service, level = rng.choice(_SERVICES), rng.choice(_LEVELS)
    event = {
        "timestamp": _iso(ms, "milliseconds"),
        "level": level,
        "service": service,
        "message": f"{rng.choice(_VERBS)} order {rng.randrange(10**6)} for user {rng.randrange(10**5)} in {rng.randrange(900)} ms",
        "logger": f"shop.{service}",
        "trace_id": _xray_id(rng, ms),
        "request_id": _uuid(rng),
        "order": {"id": rng.randrange(10**6), "items": rng.randrange(1, 9), "total": round(rng.random() * 500, 2)},
        "http": {"method": rng.choice(("GET", "POST")), "status_code": rng.choice((200, 200, 200, 201, 404, 500))},
        "duration_ms": round(rng.random() * 900, 3),
        "retry": rng.random() < 0.1,
    }
    return json.dumps(event, separators=(",", ":"))


def vpc_line(rng: random.Random, ms: int) -> str:
    """Make a VPC flow log record."""
    head, start = f"2 123456789012 eni-{rng.randrange(16**8):08x}{rng.randrange(16**9):09x}", ms // 1000
    if rng.random() < 0.01:
        return f"{head} - - - - - - - {start} {start + 59} - NODATA"
    ends = f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(256)} 52.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    packets = rng.randrange(1, 4000)
    ports = f"{rng.randrange(1024, 65536)} {rng.choice((443, 443, 80, 22, 5432))}"
    return f"{head} {ends} {ports} 6 {packets} {packets * rng.randrange(40, 1400)} {start} {start + 59} {rng.choice(('ACCEPT', 'REJECT'))} OK"


def alb_line(rng: random.Random, ms: int) -> str:
    """Make an access log line of an Application Load Balancer."""
    status, target = rng.choice((200, 200, 200, 304, 404, 502)), f"10.0.{rng.randrange(256)}.{rng.randrange(256)}:8080"
    path = f"{rng.choice(_PATHS)}?id={rng.randrange(10**6)}"
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/73e2d6bc24d8a067"
    times = f"0.00{rng.randrange(10)} {rng.random():.3f} 0.000 {status} {status} {rng.randrange(2000)} {rng.randrange(90000)}"
    tail = '"shop.example.com" "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"'
    made = _iso(ms, "microseconds")
    return (
        f"https {made} app/shop/50dc6c495c0c9188 {rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.9:{rng.randrange(1024, 65536)} {target} {times} "
        f'"GET https://shop.example.com:443{path} HTTP/2.0" "{rng.choice(_AGENTS)}" TLS_AES_128_GCM_SHA256 TLSv1.3 {arn} "Root={_xray_id(rng, ms)}" {tail} '
        f'{rng.randrange(9)} {made} "forward" "-" "-" "{target}" "{status}" "-" "-" TID_{rng.randrange(16**16):016x}'
    )


_CALLS: Final = (
    ("s3", "GetObject", True, lambda rng: {"bucketName": "shop-images", "key": f"products/{rng.randrange(10**6)}.jpg", "Host": "shop-images.s3.amazonaws.com"}),
    (
        "sts",
        "AssumeRole",
        True,
        lambda rng: {"roleArn": "arn:aws:iam::123456789012:role/deploy", "roleSessionName": f"job-{rng.randrange(10**5)}", "durationSeconds": 3600},
    ),
    (
        "ec2",
        "DescribeInstances",
        True,
        lambda rng: {"maxResults": 100, "filterSet": {"items": [{"name": "tag:shop", "valueSet": {"items": [{"value": str(rng.randrange(9))}]}}]}},
    ),
    (
        "kms",
        "Decrypt",
        True,
        lambda rng: {"encryptionContext": {"aws:s3:arn": f"arn:aws:s3:::shop-images/{rng.randrange(99)}"}, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    ),
    (
        "dynamodb",
        "UpdateTable",
        False,
        lambda rng: {"tableName": "carts", "provisionedThroughput": {"readCapacityUnits": rng.randrange(100), "writeCapacityUnits": 5}},
    ),
)


def cloudtrail_line(rng: random.Random, ms: int) -> str:
    """Make a CloudTrail event (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html)."""
    service, name, read_only, parameters = rng.choice(_CALLS)
    made = _iso(ms // 1000 * 1000, "seconds")
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLEID0000001",
        "arn": "arn:aws:iam::123456789012:role/web",
        "accountId": "123456789012",
        "userName": "web",
    }
    event = {
        "eventVersion": "1.10",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLEID0000001:i-{rng.randrange(16**17):017x}",
            "arn": f"arn:aws:sts::123456789012:assumed-role/web/i-{rng.randrange(16**17):017x}",
            "accountId": "123456789012",
            "accessKeyId": f"ASIAEXAMPLE{rng.randrange(10**9):09d}",
            "sessionContext": {"sessionIssuer": issuer, "webIdFederationData": {}, "attributes": {"creationDate": made, "mfaAuthenticated": "false"}},
        },
        "eventTime": made,
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": f"52.{rng.randrange(256)}.{rng.randrange(256)}.7" if rng.random() < 0.9 else "autoscaling.amazonaws.com",
        "userAgent": rng.choice(("aws-cli/2.31.0 md/awscrt#0.27 ua/2.1 os/linux#6.12 lang/python#3.13", "Boto3/1.44.5 md/Botocore#1.44.5", _AGENTS[0])),
        **({"errorCode": "AccessDenied", "errorMessage": "User is not authorized to perform this action"} if rng.random() < 0.05 else {}),
        "requestParameters": parameters(rng),
        "responseElements": None if read_only else {"tableDescription": {"tableName": "carts", "tableStatus": "UPDATING"}},
        "requestID": _uuid(rng),
        "eventID": _uuid(rng),
        "readOnly": read_only,
        "resources": [
            {
                "accountId": "123456789012",
                "type": f"AWS::{service.upper()}::Thing",
                "ARN": f"arn:aws:{service}:eu-central-1:123456789012:thing/{rng.randrange(99)}",
            }
        ],
        "eventType": "AwsApiCall",
        "managementEvent": service != "s3",
        "recipientAccountId": "123456789012",
        "eventCategory": "Data" if service == "s3" else "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": f"{service}.eu-central-1.amazonaws.com"},
    }
    return json.dumps(event, separators=(",", ":"))


def cloudfront_line(rng: random.Random, ms: int) -> str:
    """Make a line of CloudFront's standard logs (https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html)."""
    day, _, clock = _iso(ms, "seconds").removesuffix("Z").partition("T")
    agent, status, result = (
        rng.choice(_AGENTS).replace(" ", "%20"),
        rng.choice((200, 200, 304, 404, 502)),
        rng.choice(("Hit", "Hit", "Miss", "RefreshHit", "Error")),
    )
    request_id = f"{rng.randrange(16**28):056X}=="
    fields = (
        *(
            day,
            clock,
            "FRA56-P4",
            rng.randrange(90_000),
            f"{rng.randrange(1, 224)}.{rng.randrange(256)}.9.{rng.randrange(256)}",
            "GET",
            "d111111abcdef8.cloudfront.net",
        ),
        *(rng.choice(_PATHS), status, "https://shop.example.com/", agent, f"id={rng.randrange(10**6)}", "-", result, request_id, "shop.example.com", "https"),
        *(rng.randrange(900), f"{rng.random():.3f}", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", result, "HTTP/2.0", "-", "-", rng.randrange(1024, 65536)),
        *(f"{rng.random():.3f}", result, "text/html", "-", "-", "-"),
    )
    return "\t".join(map(str, fields))


def s3_line(rng: random.Random, ms: int) -> str:
    """Make a line of S3's server access logs (https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html)."""
    owner, key, status = (
        "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
        f"products/{rng.randrange(10**6)}.jpg",
        rng.choice((200, 200, 206, 304, 403)),
    )
    return (
        f"{owner} shop-images [{_clf(ms)}] 192.0.{rng.randrange(256)}.{rng.randrange(256)} arn:aws:sts::123456789012:assumed-role/web/i-1 {rng.randrange(16**16):016X} REST.GET.OBJECT {key} "
        f'"GET /shop-images/{key}?versionId={rng.randrange(10**9)} HTTP/1.1" {status} {"AccessDenied" if status == 403 else "-"} {rng.randrange(90_000)} {rng.randrange(90_000)} '
        f'{rng.randrange(900)} {rng.randrange(90)} "-" "{rng.choice(_AGENTS)}" - {rng.randrange(16**40):056x}= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader shop-images.s3.amazonaws.com TLSv1.3 - -'
    )


def nginx_line(rng: random.Random, ms: int) -> str:
    """Make an access log line of nginx in its combined form (https://nginx.org/en/docs/http/ngx_http_log_module.html)."""
    return (
        f'{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.9 - - [{_clf(ms)}] "GET {rng.choice(_PATHS)}?id={rng.randrange(10**6)} HTTP/1.1" '
        f'{rng.choice((200, 200, 304, 404, 500))} {rng.randrange(90_000)} "https://shop.example.com/" "{rng.choice(_AGENTS)}"'
    )


LINES: Final[Mapping[str, Callable[[random.Random, int], str]]] = MappingProxyType(
    {
        "app": app_line,
        "vpc": vpc_line,
        "alb": alb_line,
        "cloudtrail": cloudtrail_line,
        "cloudfront": cloudfront_line,
        "s3": s3_line,
        "nginx": nginx_line,
    }
)
GROUPS: Final = MappingProxyType(
    {
        "app": "/shop/production",
        "vpc": "vpc-flow-logs",
        "alb": "alb-access-logs",
        "cloudtrail": "aws-cloudtrail-logs",
        "cloudfront": "cloudfront",
        "s3": "s3-access",
        "nginx": "/ecs/nginx",
    }
)
"""The log group of each kind."""


def hostile_line(kind: str, rng: random.Random) -> str:
    """Make a line, about as long as the others, that a columnar reader must read by itself: members that were never seen, quotes that do not close, fields too many."""
    marks = [f"{rng.randrange(16**6):06x}" for _ in range(16)]
    if kind == "app":
        return json.dumps({mark: {mark: [mark]} for mark in marks})
    quotes = '" \\" "" "' if kind == "alb" else '" "" "'
    return f"{LINES[kind](rng, START_MS)} {quotes.join(marks)}"


def plain_lines(kind: str, count: int, seed: int = 7) -> Iterator[str]:
    """Make lines of a kind, all of them whole."""
    rng = random.Random(seed)  # noqa: S311 - the same lines every time
    return (LINES[kind](rng, START_MS + number * 50) for number in range(count))


def payloads(kind: str, count: int, seed: int = 7, *, hostile: bool = False) -> Iterator[bytes]:
    """Make payloads of a kind of lines; with one hostile line in each, if that is asked for."""
    rng, number = random.Random(seed), 0  # noqa: S311 - the same lines every time
    for at in range(count):
        events = []
        for place in range(EVENTS_A_PAYLOAD):
            ms = START_MS + at * 10_000 + place * 50
            line = LINES[kind](rng, ms)
            number += 1
            if hostile and place == EVENTS_A_PAYLOAD // 2:
                line = hostile_line(kind, rng)
            if number % BAD_EVERY == 0:
                line = line[: len(line) // 3]
            events.append({"id": f"{(ms << 120) + number:056d}", "timestamp": ms, "message": line})
        message = {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": GROUPS[kind],
            "logStream": f"stream/{at // PAYLOADS_A_STREAM % 50}",
            "subscriptionFilters": ["tailrace"],
            "logEvents": events,
        }
        yield gzip.compress(json.dumps(message, separators=(",", ":")).encode(), 6, mtime=0)


def _iso(ms: int, precision: str) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _clf(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _xray_id(rng: random.Random, ms: int) -> str:
    return f"1-{ms // 1000:08x}-{rng.randrange(16**24):024x}"


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.randrange(16**32):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
