"""One row in full: its fields, its trace, the lines around it."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import searches
from dashboard.timerange import TimeRange
from queries.engine import SearchEngine
from tailrace.clock import US_PER_MINUTE, iso_ms

AROUND_US = US_PER_MINUTE
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def show(engine: SearchEngine, event_id: str, span: TimeRange) -> None:
    """Show the row of that id; log text is shown as text, never as Markdown."""
    found = engine.search("logs", {"query": {"bool": {"filter": [{"ids": {"values": [event_id]}}, span.clause()]}}, "size": 1})["hits"]["hits"]
    if not found:
        st.caption("The chosen event lies outside this range.")
        return
    frame = searches.documents_frame(found)
    row = frame.iloc[0]
    with st.container(border=True):
        st.text(str(row.get("message", "")))
        names = [name for name in frame.columns if name not in {"_id", "message", "raw"}]
        facts, raw, around = st.tabs(["Fields", "Original line", "Around it"])
        with facts:
            st.dataframe(pd.DataFrame({"field": names, "value": [_text(row[name]) for name in names]}), hide_index=True, height=min(36 * len(names) + 38, 420))
            _trace_link(row)
        with raw:
            st.code(str(row.get("raw") or row.get("message", "")), language=None, wrap_lines=True)
        with around:
            _around(engine, row)


def _text(value: object) -> str:
    return iso_ms(int(value.timestamp() * 1_000_000)) if isinstance(value, pd.Timestamp) else str(value)


def _trace_link(row: "pd.Series[Any]") -> None:
    trace = row.get("trace_id")
    if isinstance(trace, str) and trace:
        st.page_link("views/traces.py", label="Open the trace of this event", icon=":material/account_tree:", query_params={"trace": trace})


def _around(engine: SearchEngine, row: "pd.Series[Any]") -> None:
    at = int(pd.Timestamp(str(row["@timestamp"])).timestamp() * 1_000_000)
    near: list[dict[str, object]] = [{"range": {"@timestamp": {"gte": iso_ms(at - AROUND_US), "lte": iso_ms(at + AROUND_US)}}}]
    for name in ("aws.log.stream.name", "log.source"):
        value = row.get(name)
        if isinstance(value, str) and value:
            near.append({"term": {name: {"value": value}}})
            break
    found = engine.search("logs", {"query": {"bool": {"filter": near}}, "size": 50, "sort": [{"@timestamp": "asc"}, {"event_id": "asc"}]})["hits"]["hits"]
    lines = searches.documents_frame(found)
    lines.insert(0, "", ["▶" if identity == row["_id"] else "" for identity in lines["_id"]])
    columns = [name for name in ("", "@timestamp", "severity_text", "message") if name in lines]
    st.dataframe(
        lines[columns],
        hide_index=True,
        height=300,
        column_config={"@timestamp": st.column_config.DatetimeColumn("Time (UTC)", format="HH:mm:ss.SSS", timezone="UTC")},
    )


def safe_csv(frame: pd.DataFrame) -> str:
    """Write a frame as CSV that a spreadsheet does not run: texts that begin like a formula get an apostrophe before them (OWASP, CSV injection)."""
    return frame.map(_safe_cell).to_csv(index=False)


def _safe_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
