"""Commands as a person runs them: the gateway's process, the doctor, alert rules, queries, traces, formats."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from sandbox.checks import free_port, http_ok

EXAMPLES = Path(__file__).parents[2] / "examples" / "rules"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def run(words: tuple[str, ...], code: int) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([sys.executable, "-m", "tailrace", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


def tailrace(*words: str, code: int = 0) -> str:
    done = run(words, code)
    return done.stdout + done.stderr


def told(*words: str, code: int = 0) -> Any:
    return json.loads(run((*words, "--json"), code).stdout)


def test_serve_is_ready_when_it_says_so_and_ends_cleanly(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("TAILRACE_XRAY_PORT", str(free_port(udp=True)))
    process = subprocess.Popen([sys.executable, "-m", "tailrace", "serve", "--port", str(port)])
    ready, until = http_ok(f"http://127.0.0.1:{port}/healthz"), time.monotonic() + 30
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.1)
    body = b'{"index":{"_index":"a"}}\n{"message":"hello"}\n'
    answer = urllib3.request("POST", f"http://127.0.0.1:{port}/_bulk?refresh=true", body=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert told("search", "hello")["hits"]["total"]["value"] == 1
    assert told("ledger", "check")["balanced"]


def test_a_wrong_setting_is_one_line_and_exit_two(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_GATEWAY_PRT", "1")
    said = tailrace("doctor", code=2)
    assert said.strip() == "tailrace: environment: no such setting: gateway_prt (did you mean 'gateway_port'?)"


def test_an_open_gateway_without_a_token_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_GATEWAY_HOST", "0.0.0.0")
    assert "set gateway_token or gateway_tls_authority first" in tailrace("serve", code=2)


def test_the_doctor_names_what_does_not_answer_and_hides_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_OPENSEARCH_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TAILRACE_SMTP_PASSWORD", "hunter2")
    found = told("doctor", code=1)
    findings = {one["what"]: one["state"] for one in found["findings"]}
    assert (findings["OpenSearch"], findings["home"], findings["gateway"]) == ("wrong", "ok", "warning")
    rows = {row["name"]: row for row in found["settings"]}
    assert (rows["smtp_password"]["value"], rows["smtp_password"]["origin"]) == ("(set)", "environment")
    assert "hunter2" not in tailrace("doctor", "--settings", code=1)


def test_the_doctor_names_a_wrong_rule(home: Path) -> None:
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "r.yaml").write_text("type: frequncy\nalert: debug\n")
    found = {one["what"]: one["found"] for one in told("doctor", code=1)["findings"]}
    assert "did you mean 'frequency'" in found["alert rules"]


def test_rules_are_checked_run_listed_and_silenced(home: Path) -> None:
    assert "ok " in tailrace("alerts", "check", str(EXAMPLES))
    assert told("alerts", "check", str(EXAMPLES))[0]["error"] == ""
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "r.yaml").write_text("name: errors\ntype: any\nfilter: ['severity_text:ERROR']\nalert: debug\n")
    (home / "app.log").write_text(json.dumps({"level": "error", "message": "boom", "timestamp": time.time()}) + "\n")
    tailrace("ingest", str(home / "app.log"))
    (ran,) = told("alerts", "run", "--once")
    assert (ran["rule"], ran["matches"]) == ("errors", 1)
    assert "errors" in tailrace("alerts", "list", "--state", "firing")
    assert told("alerts", "list")[0]["document"]["message"] == "boom"
    assert "silent until" in tailrace("alerts", "silence", "errors", "--minutes", "5")
    assert "did you mean 'errors'" in tailrace("alerts", "silence", "erors", code=2)
    assert "no such message" in tailrace("alerts", "resend", "x", code=2)
    (home / "rules" / "s.yaml").write_text("type: any\n")
    assert "`alert` is missing" in tailrace("alerts", "check", code=1)
    assert "no such file" in tailrace("alerts", "check", "nowhere", code=2)


def test_queries_run_in_every_format_and_cells_begin_no_formula(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(json.dumps({"message": "=1+1", "service": "cart"}) + "\n")
    tailrace("ingest", "a.log")
    sql = "SELECT message, service_name, count(*) AS n, max(event_time) AS at FROM logs GROUP BY 1, 2"
    found = told("query", "run", "--sql", sql)
    assert [column["type"] for column in found["columns"]] == ["varchar", "varchar", "bigint", "timestamp"]
    assert found["rows"][0][:3] == ["=1+1", "cart", 1]
    assert "'=1+1,cart,1," in tailrace("query", "run", "--sql", sql, "--format", "csv")
    tailrace("query", "run", "--sql", sql, "--format", "csv", "--output", "out.csv")
    tailrace("query", "run", "--sql", sql, "--format", "parquet", "--output", "out.parquet", "--from", "now-1d")
    assert (tmp_path / "out.csv").exists()
    assert (tmp_path / "out.parquet").exists()
    assert len(told("query", "list")) >= 3
    assert told("query", "show", "slow_requests")["parameters"][0]["name"] == "start_time"
    assert "service string" in tailrace("query", "show", "slow_requests")
    assert "errors_by_service" in tailrace("query", "list")
    tailrace("query", "run", "slow_requests", "--param", "service=web%", "--from", "now-1h")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("query", "run"), "give the name of a saved query"),
        (("query", "run", "slow_reqests"), "did you mean 'slow_requests'"),
        (("query", "run", "slow_requests", "--param", "servce=x"), "did you mean 'service'"),
        (("query", "run", "slow_requests", "--param", "service"), "write NAME=VALUE"),
        (("query", "run", "slow_requests", "--from", "yesterday"), "is no timestamp"),
        (("query", "run", "--sql", "DELETE FROM logs"), "only SELECT is taken"),
        (("query", "run", "--sql", "SELECT 1", "--param", "a=b"), "of saved queries"),
        (("query", "run", "--sql", "SELECT 1", "--format", "parquet"), "needs --output"),
        (("traces", "show", "xyz"), "not a trace id"),
        (("traces", "list", "--from", "sometime"), "failed to parse date"),
        (("formats", "show", "aws.abl"), "did you mean 'aws.alb'"),
    ],
)
def test_what_is_used_wrongly_is_said_in_a_line(home: Path, words: tuple[str, ...], said: str) -> None:
    assert said in tailrace(*words, code=2)


def test_traces_are_listed_shown_and_drawn(home: Path, tmp_path: Path) -> None:
    now = time.time()
    documents = [
        {
            "trace_id": "1-6b02b777-63f651453a9bbc6c80be111a",
            "id": "aaaaaaaaaaaaaaaa",
            "name": "web",
            "start_time": now,
            "end_time": now + 0.2,
            "http": {"response": {"status": 502}},
            "fault": True,
        },
        {
            "trace_id": "1-6b02b777-63f651453a9bbc6c80be111a",
            "id": "bbbbbbbbbbbbbbbb",
            "parent_id": "aaaaaaaaaaaaaaaa",
            "name": "cart",
            "start_time": now,
            "end_time": now + 0.1,
        },
    ]
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.json").write_text(json.dumps(document))
    (tmp_path / "line.log").write_text(json.dumps({"message": "boom", "trace_id": "1-6b02b777-63f651453a9bbc6c80be111a", "timestamp": now}) + "\n")
    tailrace("ingest", "--payload", "xray", "0.json", "1.json")
    tailrace("ingest", "line.log")
    assert [one["state"] for one in told("traces", "list", "--faults", "--to", "now+1m")] == ["fault"]
    assert "cart" in tailrace("traces", "list", "--service", "cart", "--to", "now+1m")
    shown = told("traces", "show", "6b02b77763f651453a9bbc6c80be111a")
    assert (len(shown["spans"]), len(shown["logs"])) == (2, 1)
    assert "█" in tailrace("traces", "show", "Root=1-6b02b777-63f651453a9bbc6c80be111a")
    assert {service["Name"] for service in told("traces", "map", "--to", "now+1m")["Services"]} == {"web", "cart"}
    assert "200 ms" in tailrace("traces", "map", "--to", "now+1m")
    tailrace("traces", "show", "0" * 31 + "1", code=1)
