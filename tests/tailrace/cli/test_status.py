"""``tailrace status`` tells of each part of a gateway that runs, and exits 1 where one is not well."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tailrace.cli.status import command, rows
from tailrace.errors import TransientError
from tests.certificates import Authority
from tests.gateway.running import running


def test_each_part_is_told_with_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign(days=3)
    with running(tmp_path / "home", gateway_tls_certificate=str(pair.certificate), gateway_tls_key=str(pair.key)) as (url, node):
        node.collector.collect_payload(b"no envelope")
        assert node.stream.flush()
        monkeypatch.setenv("TAILRACE_GATEWAY_ADDRESS", url)
        monkeypatch.setenv("TAILRACE_GATEWAY_CLIENT_AUTHORITY", str(authority.file))
        shown, told = CliRunner().invoke(command, []), CliRunner().invoke(command, ["--json"])
    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert "certificate of gateway: expires in 3.0 days" in shown.stderr
    found = {part: (state, numbers) for part, state, numbers in rows(json.loads(told.stdout))}
    assert list(found) == ["gateway", "spool", "sink lake", "ledger", "keeper", "dead letters", "certificate of gateway"]
    assert (found["gateway"][0], found["sink lake"][0], found["certificate of gateway"]) == (
        "degraded",
        "up",
        ("degraded", "3.0 days left, localhost, 127.0.0.1"),
    )
    assert found["dead letters"][1].startswith("1, ")
    assert "0 parts merged, 0 to merge, 0 behind" in found["keeper"][1]


def test_a_gateway_that_does_not_run_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_GATEWAY_ADDRESS", "http://127.0.0.1:9")
    result = CliRunner().invoke(command, [])
    assert isinstance(result.exception, TransientError)
    assert "does not answer" in str(result.exception)
