"""The ledger as pages show it: does it add up, and hop by hop."""

import pandas as pd
import streamlit as st

from dashboard.panels.tiles import tile
from dashboard.session import settings
from tailrace.ledger import Hop, read_hops

COLUMNS = ["hop", "sink", "unit", "in", "out", "pending", "dropped", "duplicate", "joined", "dead", "lost"]


def hops() -> list[Hop]:
    """Read the ledger; an empty list where nothing was ever written."""
    return read_hops(settings().ledger_path)


def hops_frame(found: list[Hop]) -> pd.DataFrame:
    """Answer the hops as a frame."""
    rows = [(h.hop, h.sink, h.unit, h.came_in, h.went_out, h.pending, h.dropped, h.duplicate, h.joined, h.dead, h.lost) for h in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def balance_tile(where: "st.delta_generator.DeltaGenerator") -> None:
    """Show in a tile whether every line is accounted for."""
    found = hops()
    lost, dead = sum(abs(hop.lost) for hop in found), sum(hop.dead for hop in found)
    tile(where, "Ledger", "balanced" if not lost else f"{lost:,} lost", f"in = out + pending + dropped + duplicate + joined + dead; {dead:,} in dead letters")


def flow(found: list[Hop]) -> None:
    """Say in one line how events went from hop to hop."""
    words = [f"{h.hop} {h.sink}".strip() + f" {h.went_out:,}" for h in found if h.unit == "events"]
    if words:
        st.caption("events out:  " + "  →  ".join(words))
