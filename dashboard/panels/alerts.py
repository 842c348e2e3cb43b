"""Alerts as several pages show them."""

from typing import Any

import pandas as pd
import streamlit as st

from alerts.state import Alert, AlertState
from dashboard.session import settings

COLUMNS = ["state", "rule", "key", "since", "last", "matches", "what"]


@st.cache_resource(show_spinner=False)
def state() -> AlertState:
    """Open the state of the alert rules, once in a process."""
    return AlertState(settings().alerts_path)


def alerts_frame(alerts: list[Alert]) -> pd.DataFrame:
    """Answer alerts as a frame."""
    rows = [(one.state, one.rule, one.key, one.since_us, one.last_us, one.matches, one.subject) for one in alerts]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("since", "last"):
        frame[name] = pd.to_datetime(frame[name], unit="us", utc=True)
    return frame


def firing_banner() -> None:
    """Say at the top of a page what is firing."""
    firing = state().alerts(state="firing")
    if firing:
        names = ", ".join(sorted({one.rule for one in firing})[:4])
        more = f" and {len(firing) - 4} more" if len(firing) > 4 else ""
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge(f"{len(firing)} firing", icon=":material/notifications_active:", color="red")
            st.text(f"{names}{more}")
            st.page_link("views/alert_rules.py", label="Look at them", icon=":material/arrow_forward:")


def recent(limit: int = 6) -> None:
    """List the newest alerts."""
    frame = alerts_frame(state().alerts(limit=limit))
    if frame.empty:
        st.caption("No alert has fired yet.")
    else:
        table(frame[["state", "rule", "key", "last"]])


def table(frame: pd.DataFrame, key: str | None = None) -> int | None:
    """Show alerts; answer the row that was picked."""
    config: dict[str, Any] = {
        "state": st.column_config.TextColumn("State", width="small"),
        "rule": "Rule",
        "key": "Key",
        "since": st.column_config.DatetimeColumn("Since (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"),
        "last": st.column_config.DatetimeColumn("Last (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"),
        "matches": st.column_config.NumberColumn("Matches", format="localized"),
        "what": st.column_config.TextColumn("What", width="large"),
    }
    styled = frame.style.map(_state_colour, subset=["state"])
    if key is None:
        st.dataframe(styled, hide_index=True, column_config=config)
        return None
    shown = st.dataframe(styled, hide_index=True, column_config=config, on_select="rerun", selection_mode="single-row", key=key)
    rows = shown["selection"]["rows"]
    return int(rows[0]) if rows else None


def _state_colour(value: object) -> str:
    return {"firing": "color: #dc3545; font-weight: 600", "resolved": "color: #2f9e6e"}.get(str(value), "")
