"""Alerts: what is firing, what has fired, every rule and how its last run went."""

import pandas as pd
import streamlit as st

from alerts.rule_file import read_rules
from dashboard.panels import alerts as panel
from dashboard.session import header, set_parameters, settings, shown_errors
from tailrace.clock import US_PER_HOUR, SystemClock, iso_ms

span = header("Alerts")
state = panel.state()
now_us = SystemClock().now_us()

with shown_errors():
    shown = state.alerts(limit=500)
    firing = sum(one.state == "firing" for one in shown)
    rules = read_rules(settings().rules_folder)
    runs = state.rule_runs()
    waiting = [notice for notice in state.notices(limit=1000) if notice.state != "sent"]
    tiles = st.columns(4)
    tiles[0].metric("Firing", firing)
    tiles[1].metric("Rules", len(rules))
    tiles[2].metric("Rules in error", sum(1 for rule in rules if runs.get(rule.name, (0, ""))[1]))
    tiles[3].metric("Messages not sent", len(waiting))

    history, listed, messages = st.tabs(["Alerts", "Rules", "Messages"])
    with history:
        frame = panel.alerts_frame(shown)
        if frame.empty:
            st.info("No alert has fired yet. Rules are read from the folder of the setting `rules`.", icon=":material/notifications_none:")
        else:
            picked = panel.table(frame, key="alerts")
            if picked is not None:
                one = shown[picked]
                with st.container(border=True):
                    st.text(one.subject)
                    st.code(one.body, language=None, wrap_lines=True)
                    left, right = st.columns(2)
                    if left.button("Silence this rule for an hour", icon=":material/notifications_off:"):
                        state.silence(one.rule, one.key, now_us + US_PER_HOUR, "dashboard")
                        st.rerun()
                    if right.button("Look at the events", icon=":material/search:"):
                        set_parameters(**{"from": iso_ms(one.since_us - 60_000_000), "to": iso_ms(one.last_us + 60_000_000)})
                        st.switch_page("views/explore.py", query_params={**st.query_params.to_dict()})
    with listed:
        rows = [
            (
                r.name,
                type(r.type).__name__.removesuffix("Type").lower(),
                ", ".join(c.name for c in r.channels),
                runs.get(r.name, (None, ""))[0],
                runs.get(r.name, (0, ""))[1],
                r.description,
            )
            for r in rules
        ]
        table = pd.DataFrame(rows, columns=["Rule", "Type", "Channels", "Last run (UTC)", "Error", "Description"])
        table["Last run (UTC)"] = pd.to_datetime(table["Last run (UTC)"], unit="us", utc=True)
        st.dataframe(table, hide_index=True, column_config={"Last run (UTC)": st.column_config.DatetimeColumn(format="HH:mm:ss", timezone="UTC")})
        silences = state.silences(now_us)
        if silences:
            st.caption("Silences that hold")
            st.dataframe(
                pd.DataFrame([(rule, key, iso_ms(until), by) for rule, key, until, by in silences], columns=["Rule", "Key", "Until", "By"]), hide_index=True
            )
    with messages:
        sent = [(n.state, n.channel, n.rule, n.kind, n.attempts, n.made_us, n.error, n.subject) for n in state.notices(limit=300)]
        table = pd.DataFrame(sent, columns=["State", "Channel", "Rule", "Kind", "Attempts", "Made (UTC)", "Error", "Subject"])
        table["Made (UTC)"] = pd.to_datetime(table["Made (UTC)"], unit="us", utc=True)
        st.dataframe(table, hide_index=True, column_config={"Made (UTC)": st.column_config.DatetimeColumn(format="HH:mm:ss", timezone="UTC")})
