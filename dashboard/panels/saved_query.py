"""One saved query: its parameters, its result as chart and table, its SQL."""

import pandas as pd
import streamlit as st

from dashboard import theme
from dashboard.panels.detail import safe_csv
from dashboard.timerange import TimeRange
from queries.saved_queries import Result
from queries.saved_query import Parameter, SavedQuery
from queries.workspace import Workspace
from tailrace.clock import iso_ms


def show(space: Workspace, query: SavedQuery, span: TimeRange) -> None:
    """Show the query with the page's range in its parameters, and run it."""
    st.subheader(query.title, anchor=False)
    st.text(query.description)
    given = _parameters(query, span)
    result = space.saved.run(query.name, given)
    frame = frame_of(result)
    chart, table, sql = st.tabs(["Chart", "Table", "SQL"])
    with chart:
        _chart(query, frame)
    with table:
        st.dataframe(frame, hide_index=True, height=430)
        st.download_button("Export as CSV", data=lambda: safe_csv(frame), file_name=f"{query.name}.csv", mime="text/csv", icon=":material/download:")
    with sql:
        st.code(query.sql, language="sql")
        st.caption("Athena's dialect; `:name` is a parameter. The same file is a named query on Athena.")
    st.caption(f"{len(frame):,} rows")


def frame_of(result: Result) -> pd.DataFrame:
    """Answer a result as a frame; times are UTC."""
    frame: pd.DataFrame = result.table.to_pandas()
    for name, kind in zip(result.columns, result.types, strict=True):
        if kind == "timestamp":
            frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def _parameters(query: SavedQuery, span: TimeRange) -> dict[str, str]:
    own = [one for one in query.parameters if one.name not in {"start_time", "end_time"}]
    given = {one.name: iso_ms(span.from_us if one.name == "start_time" else span.to_us) for one in query.parameters if one not in own}
    if own:
        for place, one in zip(st.columns(max(len(own), 3)), own, strict=False):
            given[one.name] = place.text_input(_label(one), value=one.default or "", key=f"{query.name}-{one.name}")
    return given


def _label(parameter: Parameter) -> str:
    return f"{parameter.name.replace('_', ' ')} ({parameter.type})"


def _chart(query: SavedQuery, frame: pd.DataFrame) -> None:
    chart = query.chart
    if frame.empty:
        st.info("No rows in this range.", icon=":material/search_off:")
    elif chart.kind == "none" or chart.x not in frame or chart.y not in frame:
        st.dataframe(frame, hide_index=True)
    elif chart.kind == "line":
        st.altair_chart(theme.line_chart(frame, chart.x, chart.y, chart.colour or None), width="stretch")
    else:
        st.altair_chart(theme.bar_chart(frame.head(30), chart.x, chart.y, chart.colour or None), width="stretch")
