"""The mounting command of the trace map."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.components.trace_map.model import MapData

HERE: Final = Path(__file__).parent
DEFAULT_HEIGHT_PX: Final = 520

_mount = st.components.v2.component(
    "tailrace.trace_map",
    html='<div class="map"></div>',
    css=(HERE / "style.css").read_text("utf-8"),
    js=(HERE / "script.js").read_text("utf-8"),
)


def trace_map(data: MapData, *, key: str, selected: str | None = None, height_px: int = DEFAULT_HEIGHT_PX) -> str | None:
    """Show the map; answer what was clicked: ``n:<node>``, ``e:<source>><target>`` or ``None``."""
    shown = _mount(
        data={**data.to_json(), "height": height_px, "selected": selected},
        key=key,
        height=height_px,
        on_selected_change=lambda: None,
    )
    chosen = shown.get("selected")
    return str(chosen) if chosen else None
