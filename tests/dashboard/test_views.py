"""Every page, run as Streamlit runs it, over a home with data, without any, and with a wrong address."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import TRACE
from tests.gateway.running import running

VIEWS = Path(__file__).parents[2] / "dashboard" / "views"
NAMES = sorted(path.stem for path in VIEWS.glob("*.py"))


def run(name: str, **params: str) -> AppTest:
    page = AppTest.from_file(str(VIEWS.parent / "app.py"), default_timeout=30).run()
    for key, value in params.items():
        page.query_params[key.removesuffix("_")] = value
    return page.switch_page(f"views/{name}.py").run()


def texts(page: AppTest) -> str:
    parts: list[Any] = [*page.main.children.values()]
    return " ".join(str(one) for one in (*page.text, *page.caption, *page.metric, *page.info, *page.error, *page.code, *parts))


def metrics(page: AppTest) -> dict[str, str]:
    return {one.label: str(one.value) for one in page.metric}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_without_an_exception(home: Path, name: str) -> None:
    page = run(name)
    assert not page.exception
    assert page.title[0].value


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_an_empty_home_says_what_to_do(empty_home: Path, name: str) -> None:
    page = run(name)
    assert not page.exception


PARAMETERS = ("from_", "to", "q", "by", "columns", "trace", "node", "query", "event", "faults", "service", "span")
WRONG = (
    "<script>",
    "yesterday",
    '"unclosed [',
    "nonsense",
    "a,b",
    "zz",
    "n:99",
    "../x",
    "\0",
    "maybe",
    "-1",
    "9" * 40,
    "x" * 9_000,
    "\u202e",
    "'; --",
    "{}",
    "now-999999w",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_address_is_said_and_breaks_nothing(home: Path, name: str) -> None:
    for start in range(len(WRONG)):
        page = run(name, **{key: WRONG[(start + number) % len(WRONG)] for number, key in enumerate(PARAMETERS)})
        assert not page.exception, (start, page.exception[0].message)
        assert any("time range" in warning.value for warning in page.warning)


def test_the_overview_counts_events_errors_and_services(home: Path) -> None:
    found = metrics(run("overview"))
    assert (found["Events"], found["Errors"], found["Services"], found["Ledger"]) == ("30", "10", "2", "balanced")


def test_explore_finds_what_is_asked_for(home: Path) -> None:
    page = run("explore", q="service.name:payment card")
    assert any(caption.value.startswith("10 events") for caption in page.caption)
    assert set(page.dataframe[0].value["service.name"]) == {"payment"}


def test_explore_shows_a_row_in_full_and_as_text(home: Path) -> None:
    page = run("explore", event="e1")
    assert "card refused <script>alert(1)</script>" in [text.value for text in page.text]
    assert not any("script" in str(element.value) for element in page.markdown)


def test_explore_says_what_is_wrong_with_a_search(home: Path) -> None:
    page = run("explore", q="message:(unclosed")
    assert len(page.error) == 1


def test_a_trace_is_shown_with_its_log_lines(home: Path) -> None:
    page = run("traces", trace=TRACE)
    assert metrics(page)["Status"] == "502"
    assert metrics(page)["Spans"] == "3"
    assert any("Log lines (10)" in tab.label for tab in page.tabs)


def test_the_list_of_traces_narrows_by_service_and_fault(home: Path) -> None:
    assert len(run("traces", service="payment", faults="1").dataframe[0].value) == 1
    assert any("No trace matches" in info.value for info in run("traces", service="nobody").info)


def test_a_clicked_node_shows_its_numbers(home: Path) -> None:
    found = metrics(run("trace_map", node="n:1"))
    assert found["Requests"] == "1"
    assert found["Faults"] == "1 (100.0%)"


def test_saved_queries_run_over_the_range_of_the_page(home: Path) -> None:
    page = run("saved_queries", query="failed_requests_of_users", from_="now-1h")
    assert "u1" in str([frame.value.to_dict("list") for frame in page.dataframe])


def test_alerts_shows_what_fires_and_its_messages(home: Path) -> None:
    page = run("alert_rules")
    assert metrics(page)["Firing"] == "1"
    assert "card errors" in str([frame.value.to_dict("list") for frame in page.dataframe])


def test_the_pipeline_accounts_for_every_line_and_names_a_dead_gateway(home: Path) -> None:
    page = run("pipeline")
    found = metrics(page)
    assert (found["Ledger"], found["Events collected"], found["Dead letters"]) == ("balanced", "31", "1")
    assert "does not answer" in page.error[0].value


def test_the_pipeline_shows_dead_letters_in_groups(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(empty_home) as (address, node):
        monkeypatch.setenv("TAILRACE_GATEWAY_PORT", address.rpartition(":")[2])
        for number in range(3):
            node.collector.collect_payload(b"no envelope %d" % number)
        node.collector.collect_spans([b"no document"], "xray:a")
        assert node.stream.flush()
        frames = [one.value for one in run("pipeline").dataframe if "cause" in one.value]
    assert [sorted(frame["count"]) for frame in frames] == [[1, 3]]


def test_the_pipeline_shows_how_sinks_are_and_how_the_keepers_rounds_go(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(empty_home) as (address, node):
        monkeypatch.setenv("TAILRACE_GATEWAY_PORT", address.rpartition(":")[2])
        assert node.stream.flush()
        page = run("pipeline")
    found, (sinks,) = metrics(page), [one.value for one in page.dataframe if "Sink" in one.value]
    assert sinks[["Sink", "State", "Rows behind", "Why"]].to_dict("records") == [{"Sink": "lake", "State": "up", "Rows behind": 0, "Why": ""}]
    assert (found["Parts merged"], found["Behind"]) == ("0", "0 parts")
    assert found["Last round"] == "none yet" or found["Last round"].endswith(" s ago")


def test_the_pipeline_shows_what_could_not_be_read_as_cells(home: Path) -> None:
    (frame,) = [one.value for one in run("pipeline").dataframe if "Shape" in one.value]
    assert frame[["Format", "Source", "Count", "Example"]].to_dict("records") == [
        {"Format": "app.json", "Source": "cloudwatch:/shop/web", "Count": 1, "Example": '{"broken'}
    ]
