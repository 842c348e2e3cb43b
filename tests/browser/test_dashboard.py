"""The dashboard in a real browser: every page at two widths, a click on the map, nothing asked of any other machine."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.checks import free_port, http_ok
from sandbox.servers.running import launch
from tests.browser.chromium import Chromium, program
from tests.dashboard.conftest import TRACE

PAGES = {"": "Overview", "explore": "Explore", "map": "Trace map", "traces": "Traces", "queries": "Saved queries", "alerts": "Alerts", "pipeline": "Pipeline"}
TITLE = "document.querySelector('h1')?.innerText"
IDLE = "!document.querySelector('[data-testid=\"stStatusWidget\"]') && !document.querySelector('[data-stale=\"true\"]')"

if program() is None and os.environ.get("CI") != "true":
    pytest.skip("headless Chromium is not installed (package chromium)", allow_module_level=True)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    extra = {"TAILRACE_HOME": str(filled), "TAILRACE_DASHBOARD_PORT": str(port)}
    folder = tmp_path_factory.mktemp("dashboard")
    with launch([sys.executable, "-m", "dashboard"], folder / "log", url, http_ok(f"{url}/_stcore/health"), 60, extra, folder):
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    assert program(), "CI needs Chromium"
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def opened(browser: Chromium, url: str, title: str, width: int = 1440) -> None:
    browser.size(width, 1000)
    browser.goto(url)
    browser.wait_for(f"{TITLE} === {title!r} && {IDLE}")


@pytest.mark.parametrize("width", [1440, 800])
@pytest.mark.parametrize("path", list(PAGES))
def test_a_page_shows_without_an_error_and_without_sideways_scrolling(browser: Chromium, address: str, path: str, width: int) -> None:
    opened(browser, f"{address}/{path}", PAGES[path], width)
    assert browser.evaluate("document.querySelectorAll('[data-testid=\"stException\"]').length") == 0
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


CUT = "[...document.querySelectorAll('[data-testid=stMetricValue] *')].filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0).map(one => one.innerText)"


@pytest.mark.parametrize("path", ["", "pipeline"])
def test_no_tile_cuts_its_word_on_a_narrow_screen(browser: Chromium, address: str, path: str) -> None:
    opened(browser, f"{address}/{path}", PAGES[path], 800)
    browser.wait_for("document.body.innerText.includes('balanced')")
    assert browser.evaluate(CUT) == []


def test_log_text_stays_text(browser: Chromium, address: str) -> None:
    opened(browser, f"{address}/explore?event=e1", "Explore")
    browser.wait_for("document.body.innerText.includes('card refused <script>')")
    assert browser.evaluate("[...document.scripts].every(one => !one.textContent.includes('alert(1)'))")


def test_a_click_on_a_service_of_the_map_shows_its_numbers_and_is_in_the_address(browser: Chromium, address: str) -> None:
    opened(browser, f"{address}/map", "Trace map")
    find = "[...document.querySelectorAll('*')].map(one => one.shadowRoot?.querySelectorAll('g.node')).find(found => found?.length)"
    browser.wait_for(f"({find})?.length === 3")
    spot = browser.evaluate(
        f"(() => {{ const at = [...({find})].find(g => g.textContent.includes('payment')).getBoundingClientRect(); return [at.x + at.width / 2, at.y + 30]; }})()"
    )
    browser.click(*spot)
    browser.wait_for("document.body.innerText.includes('Requests') && location.search.includes('node=')")


def test_a_trace_is_a_waterfall_whose_rows_can_be_chosen(browser: Chromium, address: str) -> None:
    opened(browser, f"{address}/traces?trace={TRACE}", "Traces")
    find = "[...document.querySelectorAll('*')].map(one => one.shadowRoot?.querySelectorAll('.row[tabindex]')).find(found => found?.length)"
    browser.wait_for(f"({find})?.length === 3")
    browser.evaluate(f"({find})[2].click()")
    browser.wait_for("location.search.includes('span=cccccccccccccccc')")


def test_nothing_is_asked_of_any_other_machine_and_no_script_failed(browser: Chromium, address: str) -> None:
    opened(browser, address, "Overview")
    hosts = {urlsplit(url).hostname for url in browser.requested if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}
    assert browser.errors == []
