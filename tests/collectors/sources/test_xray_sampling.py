"""Sampling rules of one's own, and a rule's reservoir shared by the clients."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.sources.xray_sampling import Sampling, SamplingRule, read_rules, sampling_from_settings
from tailrace.clock import ManualClock
from tailrace.errors import FileError, SettingError
from tailrace.settings import Settings


def asked(*clients: str, rule: str = "Default") -> bytes:
    return json.dumps({"SamplingStatisticsDocuments": [{"RuleName": rule, "ClientID": client} for client in clients]}).encode()


def rules_file(folder: Path, *rules: dict[str, Any]) -> Path:
    path = folder / "rules.json"
    path.write_text(json.dumps({"SamplingRuleRecords": [{"SamplingRule": rule, "CreatedAt": "2026-11-24"} for rule in rules]}))
    return path


def names(sampling: Sampling) -> list[tuple[str, float]]:
    return [(record["SamplingRule"]["RuleName"], record["SamplingRule"]["FixedRate"]) for record in sampling.rules_answer()["SamplingRuleRecords"]]


def test_everything_is_sampled_by_default_or_the_part_that_is_set() -> None:
    assert names(Sampling(ManualClock())) == [("Default", 1.0)]
    assert names(sampling_from_settings(Settings(xray_sampling_rate=0.25), ManualClock())) == [("Default", 0.25)]
    with pytest.raises(SettingError, match="xray_sampling_rate = 2"):
        sampling_from_settings(Settings(xray_sampling_rate=2.0), ManualClock())


def test_rules_of_a_file_come_first_by_priority(tmp_path: Path) -> None:
    path = rules_file(tmp_path, {"RuleName": "b", "Priority": 5, "FixedRate": 0.5, "HTTPMethod": "GET"}, {"RuleName": "a", "Priority": 5, "ReservoirSize": 4})
    assert names(sampling_from_settings(Settings(xray_sampling_rules=str(path)), ManualClock())) == [("a", 1.0), ("b", 0.5), ("Default", 1.0)]
    path = rules_file(tmp_path, {"RuleName": "Default", "FixedRate": 0.0})
    assert names(Sampling(ManualClock(), read_rules(path))) == [("Default", 0.0)]


@pytest.mark.parametrize(
    "rule", [{}, {"RuleName": ""}, {"RuleName": "x" * 33}, {"RuleName": "a", "FixedRate": 2}, {"RuleName": "a", "ReservoirSize": -1}, {"RuleName": 1}]
)
def test_a_wrong_rule_names_the_file(tmp_path: Path, rule: dict[str, Any]) -> None:
    with pytest.raises(FileError, match=r"rules\.json"):
        read_rules(rules_file(tmp_path, rule))


def test_a_wrong_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="same name"):
        read_rules(rules_file(tmp_path, {"RuleName": "a"}, {"RuleName": "a"}))
    for text in (b"", b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "bad.json").write_bytes(text)
        with pytest.raises(FileError, match=r"bad\.json: cannot be read as sampling rules"):
            read_rules(tmp_path / "bad.json")
    with pytest.raises(FileError, match=r"none\.json"):
        read_rules(tmp_path / "none.json")


def test_a_reservoir_is_shared_by_the_clients_of_the_last_half_minute() -> None:
    clock = ManualClock()
    sampling = Sampling(clock, [SamplingRule(rule_name="a", reservoir_size=5)])
    quotas = [sampling.targets_answer(asked(client, rule="a"))["SamplingTargetDocuments"][0]["ReservoirQuota"] for client in ("x", "y", "y", "z")]
    assert quotas == [5, 3, 3, 2]
    clock.sleep(40)
    assert sampling.targets_answer(asked("x", rule="a"))["SamplingTargetDocuments"][0]["ReservoirQuota"] == 5


def test_a_body_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Sampling(ManualClock()).targets_answer(b"{}")
