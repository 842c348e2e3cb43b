"""``tailrace backfill``: a bucket through the real write path, once, also where the process is killed in the middle."""

import gzip
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from collectors.sources.checkpoints import Checkpoints
from sandbox.process import start
from tailrace import aws
from tailrace.cli.backfill import command
from tailrace.cli.ingest import command as ingest
from tailrace.ledger import open_ledger
from tailrace.settings import Settings

ALB = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/{:02}/123456789012_elasticloadbalancing_eu-west-1_app.web.1_202611{:02}T1005Z_x.log.gz"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def home(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", url)
    return tmp_path / "home"


def bucket(url: str, name: str, **objects: bytes) -> None:
    s3 = aws.client("s3", Settings(aws_endpoint_url=url))
    s3.create_bucket(Bucket=name)
    for key, body in objects.items():
        s3.put_object(Bucket=name, Key=key, Body=body)


def run(what: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(what, [*arguments, "--json"])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, json.loads(result.stdout)


def rows(home: Path, sql: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(sql.format(f"read_parquet('{home}/lake/logs/*/*/f-*.parquet')")).fetchall()


def test_a_prefix_is_read_once_and_what_is_of_another_time_is_left_alone(home: Path, url: str) -> None:
    objects = {ALB.format(day, day): gzip.compress(f"day {day}\n".encode() * 3) for day in (1, 2, 3)}
    bucket(url, "alb", **objects)
    code, report = run(command, "s3://alb/AWSLogs/", "--from", "2026-11-02", "--to", "2026-11-03", "--format", "text.plain")
    assert (code, report["objects"], report["skipped"], report["events"], report["balanced"]) == (0, 1, 2, 3, True)
    assert rows(home, "SELECT DISTINCT message, cloud_account_id, cloud_region, service_name, log_source FROM {}") == [
        ("day 2", "123456789012", "eu-west-1", "elasticloadbalancing", f"s3://alb/{ALB.format(2, 2)}")
    ]
    code, report = run(command, "s3://alb/")
    assert (code, report["objects"], report["before"], report["events"]) == (0, 2, 1, 6)
    hop = next(one for one in report["hops"] if (one["hop"], one["unit"]) == ("decode", "payloads"))
    assert (hop["in"], hop["out"]) == (2, 2)
    assert run(command, "s3://alb/", "--restart")[1]["events"] == 9
    assert rows(home, "SELECT count(*), count(DISTINCT event_id) FROM {}") == [(9, 9)]


def test_ingest_takes_objects_too_and_again_they_add_nothing(home: Path, url: str) -> None:
    bucket(url, "app", **{"logs/a.log": b"one\n", "logs/b.log.gz": gzip.compress(b"two\n"), "other": b"three\n"})
    code, report = run(ingest, "s3://app/logs/")
    assert (code, report["inputs"], report["events"]) == (0, 2, 2)
    assert run(ingest, "s3://app/logs/a.log", "s3://app/other")[1]["events"] == 2
    assert sorted(rows(home, "SELECT message FROM {}")) == [("one",), ("three",), ("two",)]
    assert open_ledger(home / "ledger.sqlite").check().balanced


def test_what_cannot_be_read_is_named_and_exits_3(home: Path, url: str) -> None:
    bucket(url, "mixed", good=b"fine\n", torn=gzip.compress(b"one\n" * 900)[:-9])
    code, report = run(command, "s3://mixed/")
    assert (code, report["dead"], report["problems"], report["balanced"]) == (3, 1, ["s3://mixed/torn: compressed data is truncated"], True)
    for what, address, says in (
        (command, "s3://nowhere/", "is its name right"),
        (ingest, "s3://mixed/none", "no object begins with"),
        (command, "s3:///", "no bucket is named"),
    ):
        assert says in str(CliRunner().invoke(what, [address]).exception)


def test_a_person_gets_a_table_and_a_sentence(home: Path, url: str) -> None:
    bucket(url, "one", a=b"fine\n")
    result = CliRunner().invoke(command, ["s3://one/"])
    assert result.exit_code == 0
    assert "1 objects were read, 0 before, 0 are of another time" in result.stdout


def test_killed_in_the_middle_and_started_again_nothing_is_lost_and_nothing_is_twice(home: Path, url: str, tmp_path: Path) -> None:
    wide = b"".join(b"2026-11-27T10:00:00Z INFO %d" % number + b" word" * 100 + b"\n" for number in range(40_000))
    bucket(url, "large", **{"a.log.gz": gzip.compress(wide, 1), "b.log": wide[: 9 * 1024 * 1024], "c.log": b"last\n"})
    expected = 40_000 + wide[: 9 * 1024 * 1024].count(b"\n") + 2
    for kill in (2, 6, 11):
        process = start(
            ("python", "-m", "tailrace", "backfill", "s3://large/"), tmp_path / "run.log", {"TAILRACE_HOME": str(home), "TAILRACE_AWS_ENDPOINT_URL": url}
        )
        until = time.monotonic() + 120
        while places(home) < kill and process.exit_code is None and time.monotonic() < until:
            time.sleep(0.002)
        process.send(signal.SIGKILL)
        process.kill()
    code, report = run(command, "s3://large/")
    assert (code, report["balanced"], report["flushed"], report["problems"]) == (0, True, True, [])
    assert rows(home, "SELECT count(*), count(DISTINCT event_id) FROM {}") == [(expected, expected)]
    assert run(command, "s3://large/")[1]["events"] == 0


def places(home: Path) -> int:
    """How many MiB of the objects are written down as read, about."""
    if not (home / "backfill.sqlite").exists():
        return 0
    kept = Checkpoints(home / "backfill.sqlite")
    rows_ = kept._database.execute("SELECT number FROM checkpoint").fetchall()
    kept.close()
    return sum(int(number.partition(":")[2]) >> 20 for (number,) in rows_ if number)


def log_group(url: str, name: str, *messages: str) -> int:
    """Make a group with events a second apart, ten minutes ago; answer the time of the first in milliseconds."""
    logs, at_ms = aws.client("logs", Settings(aws_endpoint_url=url)), int(time.time()) * 1_000 - 600_000
    logs.create_log_group(logGroupName=name)
    for stream in ("s0", "s1"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
        events = [{"timestamp": at_ms + 1_000 * n, "message": text} for n, text in enumerate(messages) if n % 2 == int(stream[1])]
        logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)  # type: ignore[arg-type] # they are as they should be
    return at_ms


def test_events_of_a_log_group_are_read_once_with_the_ids_of_a_subscription(home: Path, url: str, tmp_path: Path) -> None:
    at_ms = log_group(url, "/shop/web", *(f"event {number}" for number in range(6)))
    found = aws.client("logs", Settings(aws_endpoint_url=url)).filter_log_events(logGroupName="/shop/web")["events"]
    live = [{"id": one["eventId"], "timestamp": one["timestamp"], "message": one["message"]} for one in found[:2]]
    message = {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/shop/web", "logStream": found[0]["logStreamName"], "logEvents": live}
    (tmp_path / "live.json").write_text(json.dumps(message))
    run(ingest, str(tmp_path / "live.json"), "--payload", "cloudwatch")
    span = ("--from", str(at_ms), "--to", str(at_ms + 4_000))
    code, report = run(command, "/shop/web", *span)
    assert (code, report["problems"], report["stopped"], report["events"]) == (0, [], False, 4)
    spool = next(hop for hop in report["hops"] if (hop["hop"], hop["unit"]) == ("spool", "events"))
    assert (spool["in"], spool["out"], spool["duplicate"]) == (4, 2, 2)
    assert run(command, "/shop/web", *span)[1]["events"] == 0
    assert run(command, "/shop/web")[1]["events"] == 2
    assert rows(home, "SELECT count(*), count(DISTINCT event_id), min(cloud_account_id), min(cloud_region), min(aws_log_group_name) FROM {}") == [
        (6, 6, "123456789012", "us-east-1", "/shop/web")
    ]
    assert open_ledger(home / "ledger.sqlite").check().balanced


def test_a_group_that_is_not_there_is_a_problem_and_wrong_use_is_said_before(home: Path, url: str) -> None:
    code, report = run(command, "/none")
    assert code == 3
    assert "is its name right" in report["problems"][0]
    for arguments, says in (
        (("/g", "--format", "aws.alb"), "are for buckets"),
        (("s3://b/", "--filter-pattern", "x"), "is for log groups"),
        (("/g", "--from", "now", "--to", "now-1d"), "--to is not after --from"),
        (("/g", "--from", "yesterday"), "--from"),
        (("s3://b/", "--format", "aws.albb"), "did you mean"),
    ):
        result = CliRunner().invoke(command, arguments)
        assert says in str(result.exception)
        assert getattr(result.exception, "exit_code", 2) == 2
