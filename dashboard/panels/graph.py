"""What a clicked node or arrow of the trace map says."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import theme
from dashboard.components.trace_map.model import duration
from dashboard.timerange import TimeRange


def legend(left_out: int) -> None:
    """Explain the colours."""
    with st.container(horizontal=True):
        st.badge("ok", color="green")
        st.badge("error 4xx", color="orange")
        st.badge("throttled 429", color="violet")
        st.badge("fault 5xx", color="red")
        if left_out:
            st.caption(f"{left_out} quiet services are not drawn")


def selection(graph: Mapping[str, Any], selected: str, span: TimeRange) -> None:
    """Show the statistics of what was clicked, and the way to its traces."""
    found = _find(graph, selected)
    if found is None:
        st.caption("What was selected is not in this range.")
        return
    title, statistics, histogram = found
    total = statistics.get("TotalCount", 0)
    with st.container(border=True):
        st.text(title)
        tiles = st.columns(5)
        tiles[0].metric("Requests", f"{total:,}")
        tiles[1].metric("Faults", _share(statistics.get("FaultStatistics", {}).get("TotalCount", 0), total))
        tiles[2].metric("Errors", _share(statistics.get("ErrorStatistics", {}).get("TotalCount", 0), total))
        tiles[3].metric("Average", duration(statistics.get("TotalResponseTime", 0.0) / total) if total else "–")
        tiles[4].metric("Per minute", f"{total / span.minutes:,.1f}" if span.minutes else "–")
        _latencies(histogram)
        name = title.split(" → ")[-1]
        st.page_link(
            "views/traces.py",
            label="Traces of this service",
            icon=":material/account_tree:",
            query_params={"service": name, "from": span.from_text, "to": span.to_text},
        )


def _find(graph: Mapping[str, Any], selected: str) -> tuple[str, Mapping[str, Any], list[Mapping[str, Any]]] | None:
    services = {str(service["ReferenceId"]): service for service in graph.get("Services", ())}
    if selected.startswith("n:"):
        service = services.get(selected[2:])
        if service is None:
            return None
        edge: Mapping[str, Any] = next(iter(service.get("Edges", ())), {})
        source = service if service.get("SummaryStatistics") else edge
        return str(service.get("Name", "client")), source.get("SummaryStatistics", {}), source.get("ResponseTimeHistogram", [])
    source_id, _, target_id = selected.removeprefix("e:").partition(">")
    caller, called = services.get(source_id), services.get(target_id)
    if caller is None or called is None:
        return None
    arrow: Mapping[str, Any] = next((one for one in caller.get("Edges", ()) if str(one["ReferenceId"]) == target_id), {})
    return f"{caller.get('Name')} → {called.get('Name')}", arrow.get("SummaryStatistics", {}), arrow.get("ResponseTimeHistogram", [])


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if count and total else "0"


def _latencies(histogram: list[Mapping[str, Any]]) -> None:
    if not histogram:
        return
    frame = pd.DataFrame([(entry["Value"] * 1000, entry["Count"]) for entry in histogram], columns=["ms", "requests"])
    st.altair_chart(theme.duration_chart(frame), width="stretch")
