"""Pipeline: every line accounted for, hop by hop; where rows go; how each format is read; dead letters; the keeper."""

import streamlit as st

from dashboard import searches
from dashboard.panels import dead_letters, keeper, parse_health, sinks, status
from dashboard.panels import ledger as panel
from dashboard.panels.tiles import row, tile
from dashboard.session import header, shown_errors, workspace

span = header("Pipeline")

with shown_errors():
    hops = panel.hops()
    frame = panel.hops_frame(hops)
    lost = int(frame["lost"].abs().sum())
    tiles = row()
    tile(tiles, "Ledger", "balanced" if not lost else f"{lost:,} lost")
    collected = frame[(frame["hop"] == "collect") & (frame["unit"] == "events")]
    tile(tiles, "Events collected", f"{int(collected['in'].sum()):,}")
    tile(tiles, "Waiting for a sink", f"{int(frame['pending'].sum()):,}")
    tile(tiles, "Dead letters", f"{int(frame['dead'].sum()):,}")

    st.subheader("Ledger", anchor=False, help="in = out + pending + dropped + duplicate + joined + dead, and lost = 0, at every hop")
    if frame.empty:
        st.info("Nothing has come in yet.", icon=":material/inbox:")
    else:
        numbers = {name: st.column_config.NumberColumn(name.capitalize(), format="localized") for name in panel.COLUMNS[3:]}
        st.dataframe(frame, hide_index=True, column_config={**numbers, "hop": "Hop", "sink": "Sink", "unit": "Unit"})
        panel.flow(hops)

gateway = status.ask()

with shown_errors():
    st.subheader("Where rows go", anchor=False)
    sinks.show(gateway)

with shown_errors():
    parse_health.show()

with shown_errors():
    st.subheader("How lines are read", anchor=False)
    health = searches.parse_health(workspace().engine(), span)
    if health.empty:
        st.caption("No line in this range.")
    else:
        total = health[["parsed", "partial", "failed"]].sum(axis=1)
        health["coverage"] = health["parsed"] / total.where(total > 0, 1)
        st.dataframe(
            health.sort_values(["failed", "partial"], ascending=False),
            hide_index=True,
            column_config={
                **{name: name.capitalize() for name in ("format", "parsed", "partial", "failed")},
                "coverage": st.column_config.ProgressColumn("Read in full", format="percent", min_value=0, max_value=1),
            },
        )
with shown_errors():
    st.subheader("Dead letters", anchor=False)
    dead_letters.show()

with shown_errors():
    st.subheader("Keeper of the lake", anchor=False)
    keeper.show(gateway)
