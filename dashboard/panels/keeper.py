"""The lake's keeper, as the gateway tells of it: how its rounds go, and what they did."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.panels.tiles import row, tile


def show(status: Mapping[str, Any]) -> None:
    """Show it; where the gateway does not answer nobody knows."""
    told = status.get("keeper")
    if not isinstance(told, dict):
        st.caption("The gateway does not tell of it.")
        return
    tiles = row()
    for label, value, note in facts(told):
        tile(tiles, label, value, note)
    if told["error"]:
        st.warning(f"It fails since {told['failing_s']:,.0f} s:", icon=":material/warning:")
        st.text(str(told["error"])[:500])


def facts(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Answer what is shown: a label, a text, a note."""
    last = f"{told['idle_s']:,.0f} s ago" if told["rounds"] else "none yet"
    return [
        ("Last round", last, "that went well; one begins every five seconds"),
        ("It took", f"{told['round_s']:,.1f} s", ""),
        ("Parts merged", f"{told['merged_parts']:,}", f"since the gateway started: {told['merged_rows']:,} rows"),
        ("Parts to merge", f"{told['fresh_parts']:,}", "fresh ones are merged after a minute"),
        ("Behind", f"{told['due_parts']:,} parts", "old enough, and not merged in the last round"),
        ("Rows expired", f"{told['expired_rows']:,}", "by the rules of retention, since the gateway started"),
    ]
