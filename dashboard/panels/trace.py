"""The list of traces, and one trace: waterfall, the chosen span, its log lines."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import searches
from dashboard.components.trace_map.model import duration
from dashboard.components.waterfall.component import waterfall
from dashboard.components.waterfall.model import SpanBar, waterfall_of
from dashboard.session import parameter, set_parameters
from dashboard.timerange import TimeRange
from queries.traces.model import Span, Trace, TraceSummary
from queries.workspace import Workspace
from tailrace.clock import iso_ms
from tailrace.ids import xray_trace_id

LISTED = 200
COLUMNS = ["start", "state", "service", "request", "status", "duration_ms", "spans", "services", "trace"]


def listing(space: Workspace, span: TimeRange, service: str, *, only_faults: bool) -> None:
    """List traces; a click opens one."""
    found = space.traces.list(span.from_us, span.to_us, limit=LISTED, service=service.strip(), only_faults=only_faults)
    if not found:
        st.info("No trace matches in this range.", icon=":material/search_off:")
        return
    st.caption(f"{len(found)} traces, the newest first" + (" (more are not listed)" if len(found) >= LISTED else ""))
    frame = summaries_frame(found)
    shown = st.dataframe(
        frame.style.map(_state_colour, subset=["state"]),
        hide_index=True,
        height=560,
        on_select="rerun",
        selection_mode="single-row",
        key=f"traces-{service}-{only_faults}",
        column_config={
            "start": st.column_config.DatetimeColumn("Start (UTC)", format="MM-DD HH:mm:ss.SSS", timezone="UTC"),
            "state": st.column_config.TextColumn("State", width="small"),
            "service": "Entry",
            "request": st.column_config.TextColumn("Request", width="large"),
            "status": st.column_config.NumberColumn("Status", format="%d", width="small"),
            "duration_ms": st.column_config.ProgressColumn("Duration", format="%.0f ms", min_value=0, max_value=float(frame["duration_ms"].max() or 1)),
            "spans": st.column_config.NumberColumn("Spans", width="small"),
            "services": st.column_config.TextColumn("Services"),
            "trace": st.column_config.TextColumn("Trace id", width="small"),
        },
    )
    rows = shown["selection"]["rows"]
    if rows:
        set_parameters(trace=found[rows[0]].id)
        st.rerun()


def summaries_frame(found: Sequence[TraceSummary]) -> pd.DataFrame:
    """Answer summaries as a frame."""
    rows = [
        (
            pd.Timestamp(one.start_us, unit="us", tz="UTC"),
            "partial" if one.is_partial and one.state == "ok" else one.state,
            one.root_service,
            " ".join(part for part in (one.method, one.url) if part) or one.root_name,
            one.status,
            one.duration_s * 1_000,
            one.spans,
            ", ".join(one.services[:6]),
            one.id,
        )
        for one in found
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def show(space: Workspace, text: str) -> None:
    """Show one trace."""
    trace = space.traces.get(text)
    if trace is None:
        st.info("There is no such trace in the lake. It may not have arrived yet.", icon=":material/search_off:")
        return
    _head(trace)
    chosen = parameter("span") or None
    clicked = waterfall(waterfall_of(bars_of(trace)), key=f"waterfall-{trace.id}", selected=chosen)
    if clicked is not None and clicked != chosen:
        set_parameters(span=clicked)
        st.rerun()
    lines = space.traces.logs_of(trace.id)
    details, logs = st.tabs(["Span", f"Log lines ({len(lines)})"])
    with details:
        _span(next((one for one in trace.spans if one.id == chosen), trace.root))
    with logs:
        _lines(lines)


def bars_of(trace: Trace) -> list[SpanBar]:
    """Answer the bars of the waterfall: an inferred segment says no more than the call above it, and is not drawn."""
    return [
        SpanBar(one.id, one.parent_id, one.name, one.service or one.name, one.document, one.start_us, one.end_us, one.state, one.status, one.is_inferred)
        for one in trace.spans
        if not one.is_inferred
    ]


def _head(trace: Trace) -> None:
    root = trace.root
    st.code(xray_trace_id(trace.id), language=None)
    tiles = st.columns(5)
    tiles[0].metric("Duration", duration((trace.end_us - trace.start_us) / 1_000_000))
    tiles[1].metric("Status", str(root.status or root.state))
    tiles[2].metric("Spans", sum(not one.is_inferred for one in trace.spans))
    tiles[3].metric("Faults", sum(one.fault for one in trace.spans if not one.is_inferred))
    tiles[4].metric("Complete", "no" if trace.is_partial else "yes")
    st.text(f"{' '.join(part for part in (root.method, root.url) if part) or root.name}   {iso_ms(trace.start_us)}")


def _span(span: Span) -> None:
    facts: dict[str, Any] = {
        "service": span.service,
        "name": span.name,
        "state": span.state,
        "start": iso_ms(span.start_us),
        "duration": duration(span.duration_s) if not span.in_progress else "in progress",
        "status": span.status,
        "url": span.url,
        "span id": span.id,
        "parent": span.parent_id,
        "origin": span.origin,
    }
    rows = [(name, str(value)) for name, value in {**facts, **dict(sorted(span.attributes.items()))}.items() if value is not None]
    st.dataframe(pd.DataFrame(rows, columns=["field", "value"]), hide_index=True, height=min(36 * len(rows) + 38, 480))


def _lines(hits: Sequence[dict[str, Any]]) -> None:
    if not hits:
        st.caption("No log line bears the id of this trace.")
        return
    frame = searches.documents_frame(hits)
    columns = [name for name in ("@timestamp", "severity_text", "service.name", "message") if name in frame]
    config = {
        "@timestamp": st.column_config.DatetimeColumn("Time (UTC)", format="HH:mm:ss.SSS", timezone="UTC"),
        "message": st.column_config.TextColumn("Message", width="large"),
    }
    st.dataframe(frame[columns], hide_index=True, column_config=config)


def _state_colour(value: object) -> str:
    return {"fault": "color: #dc3545; font-weight: 600", "error": "color: #b97d00", "throttle": "color: #7243e0", "partial": "color: #8a94a6"}.get(
        str(value), "color: #23805a"
    )
