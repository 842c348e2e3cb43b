"""A round of the rules is a trace: each rule that ran, with what it found."""

import json
from pathlib import Path
from typing import Any

from alerts.channels import open_channels
from alerts.state import AlertState
from alerts.watch import SERVICE, Watch
from tailrace.clock import ManualClock
from tailrace.settings import Settings
from tailrace.tracing import Tracer
from tests.alerts.memory_engine import MemoryEngine

RULE = """
name: {name}
type: any
index: tailrace-logs-*
filter: [{{term: {{severity_text: ERROR}}}}]
alert: debug
"""


def test_a_round_is_a_trace_of_its_rules(tmp_path: Path) -> None:
    rules, clock, found = tmp_path / "rules", ManualClock(), list[dict[str, Any]]()
    rules.mkdir()
    for name in ("first", "second"):
        (rules / f"{name}.yaml").write_text(RULE.format(name=name))
    engine, state = MemoryEngine(), AlertState(tmp_path / "a.sqlite")
    engine.add("a", clock.now_us(), observed_us=clock.now_us(), severity_text="ERROR", message="card refused")
    Watch(engine, state, open_channels(Settings()), rules, clock, Tracer(clock, lambda document: found.append(json.loads(document)))).round()
    state.close()
    (segment,) = found
    assert (segment["name"], segment["metadata"]) == (SERVICE, {"tailrace": {"rules": 2}})
    assert [(one["name"], one.get("metadata", {}).get("tailrace")) for one in segment["subsegments"]] == [
        ("rule", {"rule": "first", "hits": 1, "matches": 1}),
        ("rule", {"rule": "second", "hits": 1, "matches": 1}),
        ("deliver", None),
    ]
    assert "card refused" not in json.dumps(found)
