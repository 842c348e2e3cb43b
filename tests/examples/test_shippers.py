"""The configurations in ``examples/shippers``: those that can be run here are run, the others are read and name doors that there are."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from collectors.sources.syslog import SyslogServer
from collectors.sources.xray_daemon import XRayDaemon
from firehose.delivery import MemoryStream
from gateway.app import ROUTES
from sandbox.checks import free_port
from tailrace.clock import SystemClock
from tailrace.settings import DEFAULTS, Settings
from tests.collectors.envelopes.otlp.requests import rows_of
from tests.collectors.sources.doors import collector_of, until
from tests.gateway.running import running

SHIPPERS = Path(__file__).parents[2] / "examples" / "shippers"
GATEWAY = f"127.0.0.1:{DEFAULTS['gateway_port']}"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: {suffix: node.value})


def read(name: str) -> Any:
    text = (SHIPPERS / name).read_text("utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.load(text, _Loader)


@contextmanager
def rsyslogd(tmp_path: Path, port: int) -> Iterator[Path]:
    """Run rsyslogd with the example's action; answer the file that it reads lines from."""
    program = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("rsyslogd is not installed")
    log, work = tmp_path / "app.log", tmp_path / "work"
    log.touch()
    work.mkdir()
    head = f'global(workDirectory="{work}")\nmodule(load="imfile")\ninput(type="imfile" File="{log}" Tag="shop" Severity="error" Facility="local0" addMetadata="off")\n'
    action = (SHIPPERS / "rsyslog" / "tailrace.conf").read_text("utf-8").replace('port="5514"', f'port="{port}"')
    (tmp_path / "rsyslog.conf").write_text(head + action)
    checked = subprocess.run([program, "-N1", "-f", str(tmp_path / "rsyslog.conf")], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(
        [program, "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


def test_rsyslog_sends_what_waited_while_tailrace_was_down(tmp_path: Path) -> None:
    stream, port = MemoryStream(), free_port(udp=True)
    with rsyslogd(tmp_path, port) as log:
        with log.open("a") as file:
            file.writelines(f'order {number} failed: "no stock"\n' for number in range(200))
        with SyslogServer(collector_of(stream), Settings(syslog_port=port), SystemClock()):
            expected = {f'order {number} failed: "no stock"' for number in range(200)}
            until(lambda: {row["message"].strip() for row in rows_of(stream, "logs")} == expected, 60)
    rows = rows_of(stream, "logs")
    assert len(rows) < 400, "rsyslog sends some again when it resumes, not all"
    assert {(row["log.format"], row["service.name"], row["severity_text"]) for row in rows} == {("host.syslog_rfc5424", "shop", "ERROR")}


def test_opentelemetrys_sdk_sends_with_these_variables(tmp_path: Path) -> None:
    with running(tmp_path) as (url, node):
        lines = [line for line in (SHIPPERS / "opentelemetry" / "otel.env").read_text("utf-8").splitlines() if line and not line.startswith("#")]
        told = dict(line.split("=", 1) for line in lines)
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{GATEWAY}"
        environment = os.environ | told | {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        subprocess.run([sys.executable, str(SHIPPERS / "opentelemetry" / "app.py")], env=environment, check=True, timeout=60)
        assert node.stream.flush(10)
        counts = {table: requests.get(f"{url}/tailrace-{table}*/_count", timeout=10).json()["count"] for table in ("logs", "spans", "metrics")}
        assert counts["logs"] == counts["spans"] == 1
        assert counts["metrics"] >= 1
        assert requests.get(f"{url}/_count?q=service.name:checkout", timeout=10).json()["count"] == 1


def test_the_aws_command_line_sends_segments() -> None:
    if shutil.which("aws") is None:
        pytest.skip("aws is not installed")
    stream = MemoryStream()
    with XRayDaemon(collector_of(stream), "127.0.0.1", 0) as daemon:
        script = SHIPPERS / "awscli" / "put-trace-segments.sh"
        done = subprocess.run(["sh", str(script), f"http://127.0.0.1:{daemon.port}"], capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        until(lambda: len(rows_of(stream, "spans")) == 1)
    (row,) = rows_of(stream, "spans")
    assert (row["name"], row["log.source"]) == ("nightly-job", "xray:tcp")
    assert row["traceId"] == done.stdout.split()[-1].replace("1-", "", 1).replace("-", "")


def test_the_others_name_doors_that_there_are() -> None:
    paths = {route.path for route in ROUTES}
    (forward,) = read("fluent-bit/forward.yaml")["pipeline"]["outputs"]
    assert (forward["name"], forward["require_ack_response"]) == ("forward", True)
    (bulk,) = read("fluent-bit/bulk.yaml")["pipeline"]["outputs"]
    assert f"{bulk['host']}:{bulk['port']}" == GATEWAY
    (otlp,) = read("fluent-bit/otlp.yaml")["pipeline"]["outputs"]
    assert {otlp["logs_uri"], otlp["metrics_uri"], otlp["traces_uri"]} <= paths
    assert read("vector/vector.yaml")["sinks"]["tailrace"]["endpoints"] == [f"http://{GATEWAY}"]
    assert read("adot/collector.yaml")["exporters"]["otlphttp"]["endpoint"] == f"http://{GATEWAY}"
    assert read("firehose/delivery-stream.yaml")["Parameters"]["Endpoint"]["Default"].endswith("/firehose")
    assert "/firehose" in paths
    web = read("firelens/task-definition.json")["containerDefinitions"][1]["logConfiguration"]["options"]
    assert (web["Name"], web["Port"]) == ("forward", str(forward["port"]))
    assert read("cloudwatch-agent/amazon-cloudwatch-agent.json")["logs"]["logs_collected"]["files"]["collect_list"]
    (stream,) = read("fluent-bit/firehose.yaml")["pipeline"]["outputs"]
    assert stream["delivery_stream"] == read("firehose/delivery-stream.yaml")["Resources"]["Stream"]["Properties"]["DeliveryStreamName"]


def test_every_setting_that_a_configuration_names_is_one() -> None:
    texts = [path.read_text("utf-8") for path in SHIPPERS.rglob("*") if path.is_file()]
    named = {name.lower() for text in texts for name in re.findall(r"TAILRACE_([A-Z_]+[A-Z])", text)}
    assert named - set(DEFAULTS) == set()


def test_every_file_is_in_the_readme() -> None:
    page = (SHIPPERS / "README.md").read_text("utf-8")
    names = {str(path.relative_to(SHIPPERS)) for path in SHIPPERS.rglob("*") if path.is_file() and path.name != "README.md"}
    assert {name for name in names if f"`{name}`" not in page and f"`{name.split('/')[0]}/`" not in page} == set()
