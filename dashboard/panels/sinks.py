"""Where rows go, as the gateway tells of it: each sink's state, how far behind it is, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

COLUMNS = ("Sink", "State", "Rows behind", "Oldest waits", "Why")


def show(status: Mapping[str, Any]) -> None:
    """Show it; where the gateway does not answer nobody knows."""
    sinks = status.get("sinks")
    if not isinstance(sinks, list):
        st.caption("The gateway does not tell of it.")
        return
    st.dataframe(
        frame(sinks),
        hide_index=True,
        column_config={
            "Rows behind": st.column_config.NumberColumn(format="localized"),
            "Oldest waits": st.column_config.NumberColumn("Oldest waits", format="%.0f s", help="since its receipt; 0: none waits"),
        },
    )


def frame(sinks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Answer a row for each sink."""
    rows = [(one["name"], state_of(one), one["behind_rows"], one["oldest_age_s"], str(one["error"])[:500]) for one in sinks]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def state_of(sink: Mapping[str, Any]) -> str:
    """Say how a sink is: up, failing, or left alone for a while (``firehose.breaker``)."""
    if not sink.get("alive", True):
        return "its thread has died"
    if sink.get("circuit") == "open":
        return f"failing, tried again in {sink['next_try_s']:,.0f} s"
    return str(sink["state"])
