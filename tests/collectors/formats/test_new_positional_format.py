r"""A format of fields by their places takes one YAML text and no code: whatever the lines hold, it is read, kept or named."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from collectors.detect import explain
from collectors.format_file import load_formats, parse_format
from collectors.format_test import row_of, run_tests
from collectors.lines import Lines, Origin
from collectors.parse import ParsedLines, parse_lines
from collectors.sources.text_lines import BYTE_ORDER_MARK
from tailrace.cli import root
from tailrace.fields import AttributeRegister
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import RECEIVED_US, lines_of

GATE = r"""
name: gate.passes
description: Who went through a gate.
detect: {line: '^(PASS|STOP) \d{4}-', rank: 15}
reader: delimited
options: {least: 5, whole: 8}
time: {source: when, form: iso}
severity: {source: what, words: {PASS: INFO, STOP: WARN}}
columns:
  - {source: what, attribute: gate.outcome}
  - {source: when, attribute: gate.time}
  - {source: client, field: client.address, type: ip}
  - {source: port, field: client.port, type: long}
  - {source: person, attribute: user.name}
  - {source: note, attribute: gate.note, 'null': ['-', '']}
  - {source: took, field: duration_s, type: double}
  - {source: door, attribute: gate.door, one_of: [north, south]}
tests:
  - line: 'PASS 2026-11-17T10:00:00.5Z 192.0.2.7 443 "Jo Doe" - 0.25 north'
    row: {client.address: 192.0.2.7, duration_s: 0.25, '@timestamp': '2026-11-17T10:00:00.500Z'}
"""
OF_ONES_OWN = r"""
name: mine.flow
description: Our VPC flow logs, whose order no header line says.
detect: {log_groups: ['^/net/flow$'], line: '^(ingress|egress) [-0-9]+ ', rank: 18}
reader: delimited
options: {least: 7}
columns:
  - {source: flow-direction, attribute: aws.vpc.flow.direction}
  - {source: traffic-path, attribute: aws.vpc.flow.traffic_path, type: long}
  - {source: srcaddr, field: source.address, type: ip}
  - {source: dstaddr, field: destination.address, type: ip}
  - {source: srcport, field: source.port, type: long}
  - {source: dstport, field: destination.port, type: long}
  - {source: encryption-status, attribute: aws.vpc.flow.encryption_status, type: long}
"""
CHOSEN = r"""
name: mine.realtime
description: CloudFront's real-time logs with the fields that we chose.
detect: {line: "^\\d{10}\\.\\d{3}\t\\S+\t\\d{3}\t/", rank: 18}
reader: delimited
options: {separator: "\t"}
time: {source: timestamp, form: epoch_s}
severity: {from_status: true}
columns:
  - {source: timestamp, attribute: aws.cloudfront.timestamp_s, type: double}
  - {source: c-ip, field: client.address, type: ip}
  - {source: sc-status, field: http.response.status_code, type: long}
  - {source: cs-uri-stem, field: url.path}
"""
GOOD = 'PASS 2026-11-17T10:00:00.5Z 192.0.2.7 443 "Jo Doe" - 0.25 north'
MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for text in (GATE, OF_ONES_OWN, CHOSEN):
        (tmp_path / f"{text.split()[1]}.yaml").write_text(text, "utf-8")
    return tmp_path


def parsed(folder: Path, texts: list[str], format_name: str = "gate.passes") -> ParsedLines:
    return parse_lines(lines_of(texts, format_name), load_formats(folder), AttributeRegister())


def row(folder: Path, line: str) -> dict[str, Any]:
    """Answer the row of a line that stands between two good ones, which must come out of it unharmed."""
    before, found, after = parsed(folder, [GOOD, line, GOOD]).logs.to_pylist()
    assert (before["parse_status"], after["parse_status"], after["attributes"]) == ("parsed", "parsed", before["attributes"])
    assert found["message"] == line
    return {**found, "attributes": json.loads(found["attributes"] or "{}")}


def test_its_own_tests_pass_and_its_lines_are_known_by_their_content(folder: Path) -> None:
    formats = load_formats(folder)
    assert list(run_tests(formats.get("gate.passes"), formats)) == []
    assert explain(formats, GOOD)[-1][0].name == "gate.passes"


def test_fields_beyond_its_last_are_kept_by_their_number(folder: Path) -> None:
    found = row(folder, f'{GOOD} "a new one" - 17')
    assert (found["parse_status"], found["duration_s"]) == ("parsed", 0.25)
    assert {name: value for name, value in found["attributes"].items() if name.startswith("field_")} == {"field_9": "a new one", "field_11": "17"}


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ('"Jo \\"the gate\\" Doe"', 'Jo "the gate" Doe'),
        ('"a\\\\b"', "a\\\\b"),
        ('"it"s"', 'it"s'),
        ('"[a b]"', "[a b]"),
        ("jo", "jo"),
        ('"x\x00y\tz"', "x\x00y\tz"),
        ('"ünï \U0001f6aa"', "ünï \U0001f6aa"),
        ('"\ufffd"', "\ufffd"),
        (f'"{"x " * (MIB // 2)}"', "x " * (MIB // 2)),
    ],
    ids=["escaped quotes", "backslashes", "a bare quote", "brackets", "no quotes", "NUL and tab", "other letters", "replaced bytes", "1 MiB"],
)
def test_a_field_in_quotes_may_hold_anything(folder: Path, person: str, name: str) -> None:
    found = row(folder, GOOD.replace('"Jo Doe"', person))
    assert (found["parse_status"], found["attributes"]["user.name"]) == ("parsed", name)


def test_addresses_of_version_6_and_empty_fields(folder: Path) -> None:
    found = row(folder, 'STOP 2026-11-17T10:00:00Z 2001:DB8:0:0::7 - "" "" - south')
    assert (found["client_address"], found["client_port"], found["duration_s"], found["severity_text"]) == ("2001:db8::7", None, None, "WARN")
    assert found["attributes"] == {"gate.outcome": "STOP", "gate.time": "2026-11-17T10:00:00Z", "user.name": "", "gate.door": "south"}


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        (GOOD.replace("192.0.2.7", "gate7"), "partial", "client is no ip"),
        (GOOD.replace("443", "many"), "partial", "port is no long"),
        (GOOD.replace("north", "east"), "partial", "door is none of north, south"),
        (GOOD.removesuffix(" north"), "partial", "reading stopped at door (field 8 of 8)"),
        ('PASS 2026-11-17T10:00:00.5Z 192.0.2.7 443 "Jo D', "failed", "reading stopped at person (field 5 of 5)"),
        ("PASS", "failed", "reading stopped at when (field 2 of 5)"),
        ("\x00", "failed", "reading stopped at when (field 2 of 5)"),
        ("y" * MIB, "failed", "reading stopped at when (field 2 of 5)"),
    ],
    ids=["no address", "no number", "no such word", "cut off late", "cut off in quotes", "one word", "NUL", "1 MiB"],
)
def test_what_cannot_be_read_is_named_and_kept(folder: Path, line: str, status: str, error: str) -> None:
    found = row(folder, line)
    assert (found["parse_status"], found["parse_error"]) == (status, error)


def test_the_command_line_reads_it_from_the_user_s_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [GOOD.encode(), GOOD.replace("Jo Doe", "J\u00f6").encode("latin-1"), GOOD.encode() + b" new", b"PASS \x00", b"x" * MIB]
    file = tmp_path / "gate.log"
    file.write_bytes(BYTE_ORDER_MARK + b"\r\n".join(lines) + b"\r\n")
    monkeypatch.setenv("TAILRACE_FORMATS", str(folder))
    shown = CliRunner().invoke(root, ["parse", "--format", "gate.passes", str(file)], catch_exceptions=False)
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [found["parse_status"] for found in rows] == ["parsed", "parsed", "parsed", "failed", "failed"]
    assert [found["message"] for found in rows] == [line.decode("utf-8", "replace") for line in lines]
    assert (rows[1]["attributes"]["user.name"], rows[2]["attributes"]["field_9"]) == ("J\ufffd", "new")
    shown = CliRunner().invoke(root, ["parse", "--summary", "--json", str(file)], catch_exceptions=False)
    formats = {"gate.passes": {"parsed": 3, "partial": 0, "failed": 0}, "text.plain": {"parsed": 2, "partial": 0, "failed": 0}}
    assert json.loads(shown.stdout) == {"lines": 5, "formats": formats}


def test_an_order_of_vpc_flow_logs_that_no_header_says(folder: Path) -> None:
    formats, line = load_formats(folder), "egress 8 10.0.0.4 2001:db8::9 40000 443 3"
    found = row_of(line, formats, log_group="/net/flow")
    assert (found["log.format"], found["source.address"], found["destination.address"], found["destination.port"]) == (
        "mine.flow",
        "10.0.0.4",
        "2001:db8::9",
        443,
    )
    assert json.loads(found["attributes"]) == {"aws.vpc.flow.direction": "egress", "aws.vpc.flow.traffic_path": 8, "aws.vpc.flow.encryption_status": 3}
    assert formats.declared() == {**formats.declared(), **load_formats().declared()}


def test_fields_of_real_time_logs_that_one_chose(folder: Path) -> None:
    found = row_of("1795000000.123\t2001:db8::8\t502\t/a b", load_formats(folder))
    assert (found["log.format"], found["client.address"], found["url.path"], found["severity_text"]) == ("mine.realtime", "2001:db8::8", "/a b", "ERROR")
    assert found["@timestamp"].isoformat() == "2026-11-18T11:06:40.123000"


def test_lines_of_it_stand_among_others(folder: Path) -> None:
    texts = ["plain", GOOD, '{"a":1}', "egress - 10.0.0.4 10.0.0.5 1 2 0", GOOD]
    lines = Lines(Origin("test", "test"), RECEIVED_US, pa.array(texts), pa.array([str(n) for n in range(len(texts))]), pa.nulls(len(texts), pa.timestamp("us")))
    found = parse_lines(lines, load_formats(folder), AttributeRegister())
    assert found.logs["log_format"].to_pylist() == ["text.plain", "gate.passes", "app.json", "mine.flow", "gate.passes"]
    assert found.logs["message"].to_pylist() == texts


def test_fields_of_fixed_width_are_a_pattern() -> None:
    text = r"""
name: mine.ledger
description: A ledger of fixed width.
reader: pattern
options: {patterns: ['^(?P<code>.{4})(?P<amount>.{8})(?P<text>.*)$']}
columns:
  - {source: code, attribute: ledger.code}
  - {source: amount, attribute: ledger.amount, type: long}
  - {source: text, attribute: ledger.text}
"""
    formats = load_formats().having(parse_format(parse_yaml(text.encode(), "ledger.yaml")))
    assert json.loads(row_of("A1-X00000042rent for May", formats, "mine.ledger")["attributes"]) == {
        "ledger.code": "A1-X",
        "ledger.amount": 42,
        "ledger.text": "rent for May",
    }
    assert row_of("A1-X000", formats, "mine.ledger")["parse_error"] == "reading stopped at amount"
