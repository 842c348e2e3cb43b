"""``tailrace ingest``: real files through the real write path, the ledger of the run, and the exit code."""

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from tailrace.cli.ingest import command
from tailrace.ledger import open_ledger

pytestmark = pytest.mark.filterwarnings("ignore:'get_text_stream' is deprecated:DeprecationWarning")

ACCESS = '83.149.9.216 - - [17/May/2015:10:05:{:02} +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/8"\n'
CONTROL = {"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "", "logEvents": []}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(command, [*arguments, "--json"], input=stdin)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.exit_code, json.loads(result.stdout)


def hop(report: dict[str, Any], name: str, sink: str = "") -> dict[str, Any]:
    return next(one for one in report["hops"] if (one["hop"], one["sink"], one["unit"]) == (name, sink, "events"))


def rows(home: Path, sql: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(sql.format(f"read_parquet('{home}/lake/logs/*/*/f-*.parquet')")).fetchall()


def test_a_folder_is_in_the_lake_and_the_run_adds_up(home: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "old").mkdir(parents=True)
    (logs / "access.log").write_text("".join(ACCESS.format(second) for second in range(60)))
    (logs / "old" / "access.log.1.gz").write_bytes(gzip.compress(ACCESS.format(1).encode() + b"\n\xff odd\n"))
    code, report = run(str(logs))
    assert (code, report["inputs"], report["events"], report["replaced"], report["problems"]) == (0, 2, 62, 1, [])
    assert (report["balanced"], report["flushed"]) == (True, True)
    assert (hop(report, "collect")["in"], hop(report, "collect")["dropped"], hop(report, "deliver", "lake")["out"]) == (63, 1, 62)
    assert rows(home, "SELECT count(*), count(DISTINCT event_id) FROM {}") == [(62, 62)]
    assert open_ledger(home / "ledger.sqlite").check().balanced


def test_a_file_that_is_ingested_again_adds_nothing_but_what_is_new(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(ACCESS.format(1) * 3)
    run(str(path))
    path.write_text(ACCESS.format(1) * 3 + ACCESS.format(2))
    code, report = run(str(path))
    assert (code, hop(report, "spool")["duplicate"], hop(report, "deliver", "lake")["out"]) == (0, 3, 1)
    assert rows(home, "SELECT count(*) FROM {}") == [(4,)]


def test_standard_input_with_a_source_and_a_format_of_its_own(home: Path) -> None:
    code, report = run("-", "--source", "pipe", "--format", "text.plain", stdin=b"one\r\ntwo")
    assert (code, report["events"]) == (0, 2)
    assert rows(home, "SELECT message, log_format, log_source FROM {} ORDER BY message") == [("one", "text.plain", "pipe"), ("two", "text.plain", "pipe")]


def test_payloads_of_cloudwatch_are_ingested_whole(home: Path, tmp_path: Path) -> None:
    events = [{"id": f"{n:056d}", "timestamp": 1_790_000_000_000, "message": f"event {n}"} for n in range(3)]
    data = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/shop/web", "logStream": "s", "logEvents": events}
    path = tmp_path / "payload.gz"
    path.write_bytes(gzip.compress(json.dumps(data).encode()) + gzip.compress(json.dumps(CONTROL).encode()))
    code, report = run(str(path), "--payload", "cloudwatch")
    assert (code, report["events"]) == (0, 3)
    assert rows(home, "SELECT event_id FROM {} ORDER BY 1") == [(event["id"],) for event in events]


def test_a_damaged_file_is_named_and_kept_and_exits_3(home: Path, tmp_path: Path) -> None:
    good, bad, foreign = tmp_path / "a.log", tmp_path / "b.log.gz", tmp_path / "c.payload"
    good.write_text("fine\n")
    bad.write_bytes(gzip.compress(b"one\ntwo\n" * 1_000)[:-9])
    foreign.write_bytes(b"hello")
    code, report = run(str(good), str(bad))
    assert (code, report["dead"], report["balanced"]) == (3, 1, True)
    assert report["problems"] == [f"{bad}: compressed data is truncated"]
    code, report = run(str(foreign), "--payload", "cloudwatch")
    assert (code, report["problems"]) == (3, [f"{foreign}: neither gzip, zlib, JSON nor base64 of one of them"])
    assert open_ledger(home / "ledger.sqlite").check().balanced


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("none.log",), "no such file or folder: none.log"),
        (("s3://bucket/key", "--payload", "xray"), "--payload is for files"),
        (("s3:///key",), "no bucket is named"),
        (("-", "--format", "web.apache_acces"), "did you mean"),
    ],
)
def test_wrong_use_is_one_clear_error_before_anything_is_read(home: Path, arguments: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert why in str(result.exception)
    assert getattr(result.exception, "exit_code", 2) == 2
    assert not (home / "spool").exists()


def test_a_person_gets_a_table(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.log"
    path.write_bytes(b"\xff\n")
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == 0
    assert "deliver" in result.stdout
    assert "1 lines had bytes that are no UTF-8" in result.stdout
