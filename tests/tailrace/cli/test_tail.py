"""``tailrace tail`` against moto, whose sessions are short: lines for people and programs, and what is stored adds up."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from collectors.sources.live_tail import LiveEvent, Update
from tailrace import aws
from tailrace.cli.tail import Printer, command
from tailrace.clock import ManualClock
from tailrace.ledger import open_ledger
from tailrace.settings import Settings


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    logs = aws.client("logs", Settings(aws_endpoint_url=address))
    name = "/shop/web"  # moto takes the first group that it has, whichever ARN a session names
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    events = [{"timestamp": int(time.time()) * 1_000 + n, "message": f"{name} says {n}\x1b[31m"} for n in range(2)]
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)  # type: ignore[arg-type] # they are as they should be
    yield address
    server.stop()


@pytest.fixture
def home(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", url)
    return tmp_path / "home"


def test_lines_are_printed_with_time_and_group_and_no_control_characters(home: Path) -> None:
    result = CliRunner().invoke(command, ["/shop/*", "--for", "0.1"])
    assert result.exit_code == 0
    lines = sorted(line.split(" ", 1)[1] for line in result.stdout.splitlines())
    assert lines == [f"/shop/{name} /shop/{name} says {n}\\x1b[31m" for name in ("web",) for n in range(2)]
    assert "2 events were shown" in result.stderr
    assert not (home / "spool").exists()


def test_a_program_gets_json_and_what_is_stored_is_in_the_lake_and_adds_up(home: Path) -> None:
    result = CliRunner().invoke(command, ["/shop/web", "--store", "--json", "--for", "0.1"])
    assert (result.exit_code, "2 events were shown, 2 stored" in result.stderr) == (0, True)
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["aws.log.group.name"], one["aws.log.stream.name"], one["message"]) for one in shown] == [
        ("/shop/web", "s", f"/shop/web says {n}\x1b[31m") for n in range(2)
    ]
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT message, log_source FROM read_parquet('{home}/lake/logs/*/*/f-*.parquet') ORDER BY 1").fetchall()
    assert rows == [(one["message"], "live-tail:/shop/web") for one in shown]
    assert open_ledger(home / "ledger.sqlite").check().balanced


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("/none",), "no such log group: /none"),
        (("arn:aws:logs:eu-west-1:1:log-group:a", "arn:aws:logs:eu-west-2:1:log-group:a"), "a session is of one"),
    ],
)
def test_wrong_use_is_one_clear_error(home: Path, arguments: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert why in str(result.exception)
    assert getattr(result.exception, "exit_code", 0) == 2


def test_a_sample_is_said_and_not_with_every_second(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    printer = Printer(clock, None, as_json=False)
    for number in range(25):
        printer.take(Update("a", number, [LiveEvent("g", "", "s", 0, "x")], sampled=True))
        clock.sleep(1)
    told = capsys.readouterr()
    assert told.err.count("a sample") == 3
    assert told.out.splitlines() == ["1970-01-01T00:00:00.000Z g x"] * 25
