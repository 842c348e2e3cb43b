"""The collector's bundle is small, whole, and does what the sources do, with nothing else to import from."""

import base64
import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from collectors.collector import Collector
from collectors.format_file import load_formats
from collectors.from_settings import formats_from_settings, work_with
from firehose.delivery import MemoryStream
from firehose.records import pack
from firehose.sinks.amazon_firehose.calls import LIMITS
from infra.packages import DATA, ROOT, build, size, without_tests
from infra.packages import pack as packed
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings

MAX_BYTES = 150_000_000

ROWS = """
import base64, json, sys
from collectors.collector import Collector
from collectors.from_settings import formats_from_settings, work_with
from firehose.delivery import MemoryStream
from firehose.records import pack
from firehose.sinks.amazon_firehose.calls import LIMITS
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings

register, stream = AttributeRegister(), MemoryStream()
formats = formats_from_settings(Settings())
register.declare(formats.declared())
collector = Collector(stream, work_with(formats, register), register, ManualClock())
for payload in json.load(sys.stdin):
    collector.collect_payloads([base64.b64decode(payload)])
for delivery in stream.deliveries:
    for name, rows in delivery.tables.items():
        for record in pack(name, rows, LIMITS)[0]:
            sys.stdout.buffer.write(record.data)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "collector"
    build(folder)
    return folder


def run(bundle: Path, code: str, given: bytes = b"", **environment: str) -> bytes:
    """Run code with the bundle alone on ``sys.path``; every symbol of every library is resolved when it is loaded."""
    start = f"import sys; sys.path.insert(0, {str(bundle)!r})\n"
    environment = {"LD_BIND_NOW": "1", "PATH": os.environ["PATH"], **environment}
    done = subprocess.run([sys.executable, "-I", "-S", "-c", start + code], input=given, capture_output=True, env=environment, cwd=bundle, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def payload(lines: list[str], group: str) -> bytes:
    events = [{"id": f"{group}-{number}", "timestamp": 1_790_000_000_000, "message": line} for number, line in enumerate(lines)]
    body = {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": group, "logStream": "s", "subscriptionFilters": ["f"], "logEvents": events}
    return gzip.compress(json.dumps(body).encode())


def test_it_is_smaller_than_150_mb_and_has_no_engine_and_no_tests(bundle: Path) -> None:
    assert size(bundle) <= MAX_BYTES
    tops = {path.name for path in bundle.iterdir()}
    assert tops & {"duckdb", "pandas", "streamlit", "opensearchpy", "queries", "alerts", "dashboard", "gateway", "sandbox", "infra", "tests"} == set()
    assert {"collectors", "firehose", "tailrace", "pyarrow", "botocore"} <= tops
    assert not (bundle / "firehose" / "spool.py").exists()
    assert not [path for path in bundle.rglob("*") if path.name in {"tests", "include"} or path.suffix in {".pyi", ".h", ".pyx", ".a"}]
    assert {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()} == {
        "firehose",
        "kinesis",
        "s3",
        "secretsmanager",
        "sqs",
        "ssm",
        "sts",
    }
    assert not list(bundle.rglob("*flight*.so*")) + list(bundle.rglob("*substrait*.so*"))


def test_every_module_in_it_is_compiled_for_its_folder_cannot_be_written_to(bundle: Path) -> None:
    lacking = [path for path in bundle.rglob("*.py") if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
    assert lacking == []


def test_every_formats_lines_become_the_same_rows_as_from_the_sources(bundle: Path) -> None:
    formats = load_formats()
    payloads = [payload([test.line for test in one.tests], f"/formats/{name}") for name, one in sorted(formats.formats.items()) if one.tests]
    assert len(payloads) > 50
    found = run(bundle, ROWS, json.dumps([base64.b64encode(one).decode() for one in payloads]).encode())
    assert found.count(b"\n") > len(payloads)
    assert sorted(found.splitlines()) == sorted(rows_of(payloads).splitlines())


def rows_of(payloads: list[bytes]) -> bytes:
    register, stream = AttributeRegister(), MemoryStream()
    formats = formats_from_settings(Settings())
    register.declare(formats.declared())
    collector = Collector(stream, work_with(formats, register), register, ManualClock())
    for one in payloads:
        collector.collect_payloads([one])
    return b"".join(record.data for delivery in stream.deliveries for name, rows in delivery.tables.items() for record in pack(name, rows, LIMITS)[0])


@pytest.fixture
def firehose() -> Iterator[Settings]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    settings = Settings(aws_endpoint_url=f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    aws.client("s3", settings).create_bucket(Bucket="lake")
    for table in ("logs", "metrics", "dead"):
        aws.client("firehose", settings).create_delivery_stream(
            DeliveryStreamName=f"tailrace-{table}",
            ExtendedS3DestinationConfiguration={"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::lake"},
        )
    yield settings
    server.stop()


def test_the_handler_delivers_a_subscriptions_event(bundle: Path, firehose: Settings) -> None:
    event = {"awslogs": {"data": base64.b64encode(payload(["one", '{"level": "ERROR", "message": "two"}'], "/shop/web")).decode()}}
    code = "import json, sys\nfrom collectors.handler import lambda_handler\nprint(json.dumps(lambda_handler(json.load(sys.stdin), None)))"
    said = run(
        bundle,
        code,
        json.dumps(event).encode(),
        AWS_LAMBDA_FUNCTION_NAME="collector",
        TAILRACE_FIREHOSE_STREAMS="tailrace",
        TAILRACE_AWS_ENDPOINT_URL=firehose.aws_endpoint_url,
    )
    metrics, answer = map(json.loads, said.splitlines())
    assert (metrics["Events"], metrics["Failed"], metrics["FunctionName"]) == (2, 0, "collector")
    assert answer["batchItemFailures"] == []
    assert (answer["counts"]["events"], answer["counts"]["dead"]) == (2, 0)
    keys = [one["Key"] for one in aws.client("s3", firehose).list_objects_v2(Bucket="lake")["Contents"]]
    bodies = [aws.client("s3", firehose).get_object(Bucket="lake", Key=key)["Body"].read() for key in keys]
    assert sorted(json.loads(line)["message"] for body in bodies for line in body.splitlines()) == ["one", "two"]


def test_in_lambda_a_setting_that_lacks_is_said_at_the_start(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(bundle)!r}); import collectors.handler"],
        capture_output=True,
        env={"AWS_LAMBDA_FUNCTION_NAME": "collector"},
        check=False,
    )
    assert done.returncode == 1
    assert b"firehose_streams is not set" in done.stderr


def test_formats_lose_their_tests_and_nothing_else(tmp_path: Path) -> None:
    for path in (path for pattern in DATA for path in ROOT.glob(pattern)):
        (tmp_path / path.name).write_bytes(without_tests(path))
    whole, cut = load_formats().formats, load_formats(tmp_path).formats
    assert all(not one.tests for one in cut.values())
    assert [(one.name, one.description, one.columns, one.options) for one in cut.values()] == [
        (one.name, one.description, one.columns, one.options) for one in whole.values()
    ]


def test_it_is_packed_to_the_same_bytes_each_time(bundle: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    for path in (bundle / "tailrace").rglob("*.py"):
        (small / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
        (small / path.relative_to(bundle)).write_bytes(path.read_bytes())
    first, second = tmp_path / "one.zip", tmp_path / "two.zip"
    assert packed(small, first) == packed(small, second)
    assert first.read_bytes() == second.read_bytes()
    assert "tailrace/settings.py" in zipfile.ZipFile(first).namelist()
