"""A home folder with lines, a failing trace, an alert and a dead letter, made by the write path itself."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import orjson
import pyarrow as pa
import pytest
import streamlit as st

from alerts.engine import run_rule
from alerts.rule import AlertText, AnyType, ChannelOptions, Rule
from alerts.state import AlertState
from collectors.from_settings import collector_from_settings
from collectors.lines import Lines, Origin
from firehose import LocalFirehose
from queries.targets import resolve
from queries.workspace import Workspace
from tailrace.clock import US_PER_S, SystemClock
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings

TRACE = "1-6b02b777-63f651453a9bbc6c80be111a"


def _lines(now_us: int) -> list[str]:
    told = [
        {"level": "INFO", "service": "web", "message": "GET /cart answered 200", "user_id": "u1"},
        {
            "level": "ERROR",
            "service": "payment",
            "message": "card refused <script>alert(1)</script>",
            "trace_id": TRACE,
            "exception_type": "CardError",
            "user_id": "u1",
        },
        {"level": "WARN", "service": "payment", "message": "=1+1 slow", "user_id": "u2"},
    ]
    return [orjson.dumps({**one, "timestamp": (now_us - number * US_PER_S) // 1000}).decode() for number, one in enumerate(told * 10)] + ['{"broken']


def _documents(now_us: int) -> list[bytes]:
    at = now_us / US_PER_S - 30
    root = {
        "trace_id": TRACE,
        "id": "aaaaaaaaaaaaaaaa",
        "name": "web",
        "start_time": at,
        "end_time": at + 0.2,
        "fault": True,
        "http": {"request": {"method": "POST", "url": "http://shop/checkout"}, "response": {"status": 502}},
        "subsegments": [{"id": "bbbbbbbbbbbbbbbb", "name": "payment", "namespace": "remote", "start_time": at + 0.01, "end_time": at + 0.19, "fault": True}],
    }
    called = {
        "trace_id": TRACE,
        "id": "cccccccccccccccc",
        "parent_id": "bbbbbbbbbbbbbbbb",
        "name": "payment",
        "start_time": at + 0.02,
        "end_time": at + 0.18,
        "fault": True,
    }
    return [orjson.dumps(called), orjson.dumps(root), b"no document"]


def _fill(settings: Settings) -> None:
    clock, register = SystemClock(), AttributeRegister(settings.register_path)
    now_us = clock.now_us()
    with LocalFirehose(settings, clock, register=register) as stream:
        collector = collector_from_settings(settings, stream, register, clock)
        texts = _lines(now_us)
        ids = pa.array([f"e{number}" for number in range(len(texts))])
        collector.collect_lines(Lines(Origin("cloudwatch:/shop/web", "cloudwatch"), now_us, pa.array(texts), ids, pa.nulls(len(texts), pa.timestamp("us"))))
        collector.collect_spans(_documents(now_us), "xray:test")
        collector.close()
        assert stream.flush()


def _fire(settings: Settings) -> None:
    channel = ChannelOptions("console", MappingProxyType({}))
    rule = Rule(
        "card errors",
        "r.yaml",
        resolve("logs*"),
        AnyType(),
        ({"term": {"severity_text": "ERROR"}},),
        (channel,),
        AlertText(subject="{}", subject_args=("message",)),
    )
    space, state = Workspace(settings, SystemClock()), AlertState(settings.alerts_path)
    assert run_rule(space.engine(), state, rule, SystemClock().now_us()).matches == 10
    state.close()
    space.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the home anew for each file of tests: pages ask for the last fifteen minutes, and a whole run takes longer."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home)
    _fill(settings)
    _fire(settings)
    return home


@pytest.fixture
def home(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TAILRACE_HOME", str(filled))
    st.cache_resource.clear()
    yield filled
    st.cache_resource.clear()


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TAILRACE_HOME", str(tmp_path))
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()
