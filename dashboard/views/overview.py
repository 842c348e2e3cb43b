"""Overview: is anything wrong now, where, and since when."""

import streamlit as st

from dashboard import searches, theme
from dashboard.panels import alerts as alert_panel
from dashboard.panels import ledger as ledger_panel
from dashboard.panels.tiles import row, tile
from dashboard.session import guarded, header, set_parameters, shown_errors, workspace, zoom

span = header("Overview")
engine = workspace().engine()
query = searches.query_of("", span)

alert_panel.firing_banner()

services = guarded(lambda: searches.services(engine, span))
if services is not None:
    events, errors = int(services["events"].sum()), int(services["errors"].sum())
    tiles = row()
    tile(tiles, "Events", f"{events:,}")
    tile(tiles, "Errors", f"{errors:,}", "events of severity ERROR or FATAL")
    tile(tiles, "Error rate", f"{errors / events:.1%}" if events else "–")
    tile(tiles, "Services", f"{len(services):,}")
    ledger_panel.balance_tile(tiles)

with shown_errors():
    frame = searches.histogram(engine, "logs", query, span, "severity_text")
    chosen = st.altair_chart(theme.histogram_chart(frame, 190), width="stretch", on_select="rerun", key=f"overview-{span.from_us}-{span.to_us}")
    brushed = chosen["selection"].get("brush", {}).get("start") if chosen else None
    if brushed:
        zoom(*brushed)

left, right = st.columns([3, 2])
with left, shown_errors():
    st.subheader("Services", anchor=False)
    if services is None or services.empty:
        st.info("Nothing has come in within this range. Pick a longer one at the top, or send something: `tailrace ingest --help`.", icon=":material/inbox:")
    else:
        shown = st.dataframe(
            services,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="services",
            column_config={
                "service": st.column_config.TextColumn("Service"),
                "events": st.column_config.NumberColumn("Events", format="localized"),
                "errors": st.column_config.NumberColumn("Errors", format="localized"),
                "warnings": st.column_config.NumberColumn("Warnings", format="localized"),
                "error_rate": st.column_config.ProgressColumn("Error rate", format="percent", min_value=0, max_value=1),
            },
        )
        if shown["selection"]["rows"]:
            name = str(services.iloc[shown["selection"]["rows"][0]]["service"])
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            set_parameters(q=f'service.name:"{quoted}"')
            st.switch_page("views/explore.py", query_params={**st.query_params.to_dict()})
with right, shown_errors():
    st.subheader("Alerts", anchor=False)
    alert_panel.recent()
    st.subheader("Latest errors", anchor=False)
    newest, _ = searches.hits(engine, "logs", searches.query_of("severity_text:(ERROR OR FATAL)", span), size=20)
    if newest.empty:
        st.caption("None in this range.")
    else:
        newest = newest[newest["log.format"] == "app.json"] if "log.format" in newest and (newest["log.format"] == "app.json").any() else newest
        columns = [name for name in ("@timestamp", "service.name", "message") if name in newest]
        st.dataframe(
            newest[columns].head(8),
            hide_index=True,
            column_config={"@timestamp": st.column_config.DatetimeColumn("Time", format="HH:mm:ss"), "service.name": "Service", "message": "Message"},
        )
