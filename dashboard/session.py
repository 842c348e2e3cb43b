"""What a page stands on: the settings and the workspace of the process, the time range of the URL, and how an error is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import streamlit as st

from dashboard.timerange import DEFAULT_FROM, PRESETS, TimeRange, read_range
from queries.workspace import Workspace
from tailrace.clock import SystemClock
from tailrace.errors import RequestError, TailraceError
from tailrace.gateway_client import GatewayClient
from tailrace.settings import Settings, load

T = TypeVar("T")
REFRESH_S: Final = 10
CUSTOM: Final = "Custom"


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Answer the settings, read once in a process."""
    return load().settings


@st.cache_resource(show_spinner=False)
def gateway() -> GatewayClient:
    """Answer the client of the gateway: what pages need of the write path they ask there."""
    return GatewayClient(settings(), "dashboard")


@st.cache_resource(show_spinner=False)
def workspace() -> Workspace:
    """Answer the workspace, opened once in a process and shared by all sessions."""
    return Workspace(settings(), SystemClock())


def parameter(name: str, default: str = "") -> str:
    """Read a parameter of the URL."""
    value = st.query_params.get(name, default)
    return value[:4_000]


def set_parameters(**values: str | None) -> None:
    """Write parameters into the URL; ``None`` or an empty text takes one away."""
    for name, value in values.items():
        if value:
            st.query_params[name] = value
        elif name in st.query_params:
            del st.query_params[name]


def time_range() -> TimeRange:
    """Answer the range of the URL; a wrong one is said, and the default taken."""
    now_us = SystemClock().now_us()
    try:
        return read_range(parameter("from", DEFAULT_FROM), parameter("to", "now"), now_us)
    except RequestError as error:
        st.warning(f"The time range of the address is wrong ({error}); showing the last 15 minutes.", icon=":material/schedule:")
        return read_range(DEFAULT_FROM, "now", now_us)


def header(title: str, *, live: bool = True) -> TimeRange:
    """Show the title of a page with the picker of its range at the right; answer the range."""
    left, middle, right = st.columns([5, 2.6, 0.9], vertical_alignment="bottom")
    left.title(title, anchor=False)
    span = time_range()
    _picker(middle, span)
    if live:
        _refresh(right)
    return span


def _picker(where: "st.delta_generator.DeltaGenerator", span: TimeRange) -> None:
    names = list(PRESETS) if span.label in PRESETS else [span.label, *PRESETS]
    chosen = where.selectbox("Time range", names, index=names.index(span.label), label_visibility="collapsed", key=f"range-{span.from_text}-{span.to_text}")
    if chosen != span.label and chosen in PRESETS:
        set_parameters(**{"from": PRESETS[chosen], "to": None})
        st.rerun()


def _refresh(where: "st.delta_generator.DeltaGenerator") -> None:
    if where.button("", icon=":material/refresh:", help="Refresh", key="refresh", width="stretch"):
        st.rerun()


def zoom(from_ms: float, to_ms: float) -> None:
    """Write a brushed range into the URL and show it."""
    from datetime import UTC, datetime

    texts = [datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds") for at in (from_ms, to_ms)]
    set_parameters(**{"from": texts[0], "to": texts[1]})
    st.rerun()


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show an error of Tailrace in its place on the page instead of a traceback."""
    try:
        yield
    except TailraceError as error:
        _show(error)


def guarded(work: Callable[[], T]) -> T | None:
    """Answer what ``work`` answers, or show its error and answer ``None``."""
    try:
        return work()
    except TailraceError as error:
        _show(error)
        return None


def _show(error: TailraceError) -> None:
    st.error(_plain(str(error)), icon=":material/error:")


def _plain(text: str) -> str:
    """Streamlit reads messages as Markdown: what an error quotes of a user's text must not become any."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!|<>~:$" else letter for letter in text[:1_000])
