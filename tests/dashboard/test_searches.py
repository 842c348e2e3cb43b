"""What pages ask, as frames; cells that no spreadsheet runs; who may listen where."""

from pathlib import Path

import pandas as pd
import pytest

from dashboard import searches, theme
from dashboard.__main__ import arguments
from dashboard.access import check_binding
from dashboard.panels.detail import safe_csv
from dashboard.timerange import TimeRange, read_range
from queries.workspace import Workspace
from tailrace.clock import SystemClock
from tailrace.errors import RequestError, SettingError
from tailrace.settings import Settings


@pytest.fixture
def span() -> TimeRange:
    return read_range("now-15m", "now", SystemClock().now_us())


def test_a_histogram_covers_the_range_and_counts_every_hit(filled: Path, span: TimeRange) -> None:
    space = Workspace(Settings(home=filled), SystemClock())
    for by, groups in ((None, {"events"}), ("severity_text", {"INFO", "WARN", "ERROR", "none"})):
        frame = searches.histogram(space.engine(), "logs", searches.query_of("", span), span, by)
        assert frame["count"].sum() == 31
        assert set(frame[frame["count"] > 0]["group"]) == groups
        assert theme.histogram_chart(frame).to_dict()
    space.close()


def test_top_values_and_parse_health_are_over_all_hits(filled: Path, span: TimeRange) -> None:
    space = Workspace(Settings(home=filled), SystemClock())
    tops = searches.top_values(space.engine(), "logs", searches.query_of("", span), ["service.name", "attributes.user_id"])
    assert dict(zip(tops["service.name"]["value"], tops["service.name"]["count"], strict=True)) == {"payment": 20, "web": 10}
    assert dict(zip(tops["attributes.user_id"]["value"], tops["attributes.user_id"]["count"], strict=True)) == {"u1": 20, "u2": 10}
    health = searches.parse_health(space.engine(), span)
    assert health.to_dict("records") == [{"format": "app.json", "parsed": 30, "partial": 0, "failed": 1}]
    space.close()


def test_a_search_that_is_too_long_is_refused(span: TimeRange) -> None:
    with pytest.raises(RequestError, match="at most"):
        searches.query_of("x" * 2_001, span)


def test_exported_cells_begin_no_formula() -> None:
    frame = pd.DataFrame({"a": ["=1+1", "+1", "-1", "@x", "\tx", "plain", None], "n": range(7)})
    assert safe_csv(frame).splitlines()[1:6] == ["'=1+1,0", "'+1,1", "'-1,2", "'@x,3", "'\tx,4"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "dashboard.example"])
def test_the_dashboard_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(SettingError, match="no log-in"):
        check_binding(host)
    check_binding("127.0.0.1")
    check_binding("localhost")


def test_streamlit_is_told_to_stay_at_home() -> None:
    words = arguments(Settings())
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.address=127.0.0.1" in words


def test_charts_are_drawn_of_times_and_of_numbers() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime([0, 1], unit="s", utc=True), "n": [1, 2], "c": ["a", "b"]})
    for chart in (
        theme.line_chart(frame, "t", "n", "c"),
        theme.line_chart(frame, "n", "n"),
        theme.bar_chart(frame, "c", "n", "c"),
        theme.bar_chart(frame, "c", "n"),
    ):
        assert chart.to_dict()
    assert theme.duration_chart(pd.DataFrame({"ms": [1.0], "requests": [2]})).to_dict()
    assert theme.colours_of(["b", "a", "none"])[0] == ["a", "b", "none"]
