"""What formats cannot read, and what is new in what they read; lines are shown as cells of a table, never as Markdown."""

import pandas as pd
import streamlit as st

from dashboard.session import settings
from tailrace.parse_health import read_health

SHOWN: int = 100


def show() -> None:
    """Show the shapes of lines that were not read in full, and the fields that came first after their format did."""
    found = read_health(settings().health_path, limit=SHOWN)
    shapes, fields = pd.DataFrame(found["shapes"]), pd.DataFrame([row for row in found["fields"] if row["new"]])
    st.subheader(
        "Lines that could not be read in full",
        anchor=False,
        help="numbers, words and ids are folded; `tailrace reparse FORMAT` reads them again after a mend",
    )
    if shapes.empty:
        st.caption("None: every line was read in full.")
    else:
        columns = ["format", "source", "status", "count", "reason", "shape", "first_seen", "last_seen", "example"]
        shown = shapes[columns].rename(columns=_heading)
        st.dataframe(shown, hide_index=True, key="shapes", column_config={"Count": st.column_config.NumberColumn(format="localized")})
    if not fields.empty:
        st.subheader("New fields", anchor=False, help="fields of a format that had been read on an earlier day without them")
        st.dataframe(fields[["format", "field", "source", "first_seen"]].rename(columns=_heading), hide_index=True, key="new_fields")


def _heading(name: str) -> str:
    return name.replace("_", " ").capitalize()
