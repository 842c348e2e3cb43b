"""Explore: search the logs; a histogram over all hits that zooms by a brush, a table, one row in full. Everything is in the address."""

import streamlit as st

from dashboard import searches, theme
from dashboard.panels import detail, fields
from dashboard.session import header, parameter, set_parameters, shown_errors, workspace, zoom
from tailrace.schema import LOGS

BREAKDOWNS = {
    "Severity": "severity_text",
    "Service": "service.name",
    "Format": "log.format",
    "Status": "http.response.status_code",
    "Log group": "aws.log.group.name",
}
DEFAULT_COLUMNS = ["@timestamp", "severity_text", "service.name", "message"]

span = header("Explore")
engine = workspace().engine()

bar, by_where = st.columns([5, 1.3], vertical_alignment="bottom")
text = bar.text_input(
    "Search",
    value=parameter("q"),
    placeholder='words, service.name:payment, severity_text:(ERROR OR FATAL), http.response.status_code:>=500, "exact phrase"',
    label_visibility="collapsed",
    icon=":material/search:",
)
by_name = next((label for label, field in BREAKDOWNS.items() if field == parameter("by", "severity_text")), "Severity")
by = BREAKDOWNS[by_where.selectbox("Break down by", list(BREAKDOWNS), index=list(BREAKDOWNS).index(by_name), label_visibility="collapsed")]
set_parameters(q=text, by=by if by != "severity_text" else None)

with shown_errors():
    query = searches.query_of(text, span)
    frame = searches.histogram(engine, "logs", query, span, by)
    rows, total = searches.hits(engine, "logs", query)
    took = f"{total:,} events" + (f", the newest {len(rows):,} are listed" if total > len(rows) else "")
    st.caption(took)
    chosen = st.altair_chart(theme.histogram_chart(frame), width="stretch", on_select="rerun", key=f"hist-{span.from_us}-{span.to_us}-{by}-{hash(text)}")
    brushed = chosen["selection"].get("brush", {}).get("start") if chosen else None
    if brushed:
        zoom(*brushed)

    side, main = st.columns([1.1, 4])
    with side:
        fields.sidebar(engine, query, rows, text)
    with main:
        if rows.empty:
            st.info("No event matches in this range.", icon=":material/search_off:")
        else:
            known = [field.name for field in LOGS.fields if field.name in rows]
            others = sorted(str(name) for name in rows.columns if str(name).startswith("attributes."))
            wanted = [name for name in parameter("columns").split(",") if name in rows] or [name for name in DEFAULT_COLUMNS if name in rows]
            columns = st.multiselect("Columns", [*known, *others], default=wanted, label_visibility="collapsed")
            set_parameters(columns=",".join(columns) if columns != DEFAULT_COLUMNS else None)
            shown = st.dataframe(
                rows[columns or DEFAULT_COLUMNS[:1]],
                hide_index=True,
                height=460,
                on_select="rerun",
                selection_mode="single-row",
                key=f"rows-{span.from_us}-{span.to_us}-{hash(text)}",
                column_config={
                    "@timestamp": st.column_config.DatetimeColumn("Time (UTC)", format="YYYY-MM-DD HH:mm:ss.SSS", width="medium", timezone="UTC"),
                    "severity_text": st.column_config.TextColumn("Severity", width="small"),
                    "service.name": st.column_config.TextColumn("Service", width="small"),
                    "message": st.column_config.TextColumn("Message", width="large"),
                },
            )
            picked = shown["selection"]["rows"]
            if picked:
                set_parameters(event=str(rows.iloc[picked[0]]["_id"]))
            event = parameter("event")
            if event:
                detail.show(engine, event, span)
            st.download_button(
                "Export these rows",
                data=lambda: detail.safe_csv(rows.drop(columns=["_id"])),
                file_name="tailrace-logs.csv",
                mime="text/csv",
                icon=":material/download:",
            )
