"""One line of metrics for each call of the function, as CloudWatch reads them and as our own format does."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collectors import handler
from collectors.handler_metrics import COUNTED, TRANSFORMED_UNITS, UNITS, measured
from collectors.parse import parse_lines
from firehose.delivery import MemoryStream
from tailrace.clock import US_PER_S, ManualClock
from tailrace.errors import SettingError, TransientError
from tailrace.fields import AttributeRegister
from tests.collectors.readers.samples import formats, lines_of
from tests.collectors.test_handler import FailingAt, data, kinesis
from tests.collectors.test_handler import handler as handler_of
from tests.collectors.test_transformation import Again, event_of, payload, transform_with

NOW_US = 1_790_000_000 * US_PER_S
END_US = NOW_US + 1_500_000


def called(work: Any, event: object) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Call with a clock on which the work takes 1.5 s; answer what was answered, and the lines that were told."""
    clock, told = ManualClock(NOW_US), list[str]()

    def slowly(one: object) -> Any:
        clock.sleep(1.5)
        return work(one)

    try:
        answer: dict[str, Any] | None = measured(slowly, event, "shop-collector", clock, told.append)
    except TransientError:
        answer = None
    assert not any("\n" in line for line in told)
    return answer, [json.loads(line) for line in told]


def values(line: dict[str, Any]) -> dict[str, float]:
    return {name: line[name] for name in UNITS}


def test_a_call_tells_what_became_of_its_event_in_one_line() -> None:
    answer, (line,) = called(handler_of(MemoryStream()), kinesis(data("one"), "SGVsbG8=", data("two")))
    assert values(line) == {"Payloads": 3, "Events": 2, "Dropped": 0, "Dead": 1, "Again": 0, "Failed": 0, "Duration": 1500.0}
    assert answer is not None
    assert {name: answer["counts"][count] for name, count in COUNTED.items()} == {name: line[name] for name in COUNTED}


def test_what_comes_again_and_a_call_that_fails_are_told_too() -> None:
    answer, (line,) = called(handler_of(FailingAt(0, TransientError("slow down"))), kinesis(data("one"), data("two")))
    assert answer is not None
    assert (line["Again"], line["Failed"], line["Events"]) == (1, 0, 0)
    answer, (line,) = called(handler_of(FailingAt(0, TransientError("slow down"))), {"awslogs": {"data": data("one")}})
    assert answer is None
    assert (line["Again"], line["Failed"], line["Duration"]) == (0, 1, 1500.0)


def test_the_line_is_what_cloudwatchs_specification_asks_for() -> None:
    _, (line,) = called(handler_of(MemoryStream()), {"awslogs": {"data": data("one")}})
    assert line["_aws"]["Timestamp"] == END_US // 1_000
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == "Tailrace"
    for names in directive["Dimensions"]:
        assert len(names) <= 30
        assert all(isinstance(line[name], str) and line[name] for name in names)
    assert len(directive["Metrics"]) <= 100
    units = {"Seconds", "Milliseconds", "Count", "Bytes"}
    assert all(isinstance(line[one["Name"]], int | float) and one["Unit"] in units for one in directive["Metrics"])
    assert {one["Name"] for one in directive["Metrics"]} == set(line) - {"_aws", "FunctionName"}


def test_our_own_format_reads_the_line() -> None:
    _, (line,) = called(handler_of(MemoryStream()), {"awslogs": {"data": data("one")}})
    rows = parse_lines(lines_of([json.dumps(line)]), formats(), AttributeRegister()).logs
    assert (rows["log_format"].to_pylist(), rows["parse_status"].to_pylist()) == (["aws.emf"], ["parsed"])
    attributes = json.loads(rows["attributes"][0].as_py())
    assert {name: attributes[name] for name in UNITS} == values(line)
    assert rows["event_time"][0].value == END_US


def test_the_function_writes_the_line_to_its_standard_output(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(handler.IN_LAMBDA, "shop-collector")
    handler._handler.cache_clear()
    with pytest.raises(SettingError, match="firehose_streams"):
        handler.lambda_handler({}, None)
    (text,) = capsys.readouterr().out.splitlines()
    assert (json.loads(text)["FunctionName"], json.loads(text)["Failed"]) == ("shop-collector", 1)


def test_every_metric_has_its_row_in_the_docs_and_no_other_has_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8").partition("## The Lambda function")[2]
    assert dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)) == {**UNITS, **TRANSFORMED_UNITS}


def test_the_metrics_cost_no_import() -> None:
    code = "import sys, collectors.collector; before = set(sys.modules); import collectors.handler_metrics; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["collectors.handler_metrics"]


def test_a_transformation_tells_what_became_of_its_records_and_answers_firehose_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(handler, "_collect", transform_with(Again()))
    answer = handler.lambda_handler(event_of(payload(("a", 0, "one")), b"no payload"), None)
    assert set(answer) == {"records"}
    line = json.loads(capsys.readouterr().out)
    assert {name: line[name] for name in ("Records", "RecordsOk", "RecordsFailed", "Events", "Failed")} == {
        "Records": 2, "RecordsOk": 1, "RecordsFailed": 1, "Events": 1, "Failed": 0,
    }  # fmt: skip
    assert {one["Name"]: one["Unit"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {**UNITS, **TRANSFORMED_UNITS}
