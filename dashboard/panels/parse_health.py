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
        help="digits, letters and words are folded; `tailrace reparse FORMAT` reads them again after a mend",
    )
    if shapes.empty:
        st.caption("None: every line was read in full.")
    else:
        columns = ["format", "source", "status", "count", "reason", "shape", "first_seen", "last_seen", "example"]
        st.dataframe(shapes[columns], hide_index=True, key="shapes", column_config={"count": st.column_config.NumberColumn("Count", format="localized")})
    if not fields.empty:
        st.subheader("New fields", anchor=False, help="fields of a format that had been read on an earlier day without them")
        st.dataframe(fields[["format", "field", "source", "first_seen"]], hide_index=True, key="new_fields")
