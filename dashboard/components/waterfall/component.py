"""The mounting command of the waterfall."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.components.waterfall.model import WaterfallData

HERE: Final = Path(__file__).parent

_mount = st.components.v2.component(
    "tailrace.waterfall",
    html='<div class="waterfall"></div>',
    css=(HERE / "style.css").read_text("utf-8"),
    js=(HERE / "script.js").read_text("utf-8"),
)


def waterfall(data: WaterfallData, *, key: str, selected: str | None = None) -> str | None:
    """Show the waterfall; answer the id of the span that was clicked."""
    shown = _mount(data={**data.to_json(), "selected": selected}, key=key, on_selected_change=lambda: None)
    chosen = shown.get("selected")
    return str(chosen) if chosen else None
