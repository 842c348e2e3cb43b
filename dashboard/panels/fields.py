"""The fields of what was found, with their most frequent values over all hits; a click narrows the search."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import searches
from dashboard.session import set_parameters
from queries.engine import SearchEngine

LISTED = ("severity_text", "service.name", "log.format", "http.response.status_code", "aws.log.group.name", "parse_status")
MOST_ATTRIBUTES = 4


def sidebar(engine: SearchEngine, query: Mapping[str, Any], rows: pd.DataFrame, text: str) -> None:
    """Show the fields; a value that is clicked joins the search."""
    present = [name for name in LISTED if name in rows] + _attributes(rows)
    if not present:
        return
    tops = searches.top_values(engine, "logs", query, present)
    with st.container(key="fields"):
        for name, values in tops.items():
            if not values.empty:
                with st.expander(name.removeprefix("attributes."), expanded=name in LISTED[:3]):
                    _values(name, values, text)


def _attributes(rows: pd.DataFrame) -> list[str]:
    names = [str(name) for name in rows.columns if str(name).startswith("attributes.")]
    few = [name for name in names if 1 < rows[name].dropna().astype(str).nunique() <= 12]
    return sorted(few, key=lambda name: -len(rows[name].dropna()))[:MOST_ATTRIBUTES]


def _values(name: str, values: pd.DataFrame, text: str) -> None:
    for value, count in zip(values["value"], values["count"], strict=True):
        label = f"{_plain(str(value))}  ·  {count:,}"
        if st.button(label, key=f"{name}={value}", type="tertiary", width="stretch"):
            quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
            set_parameters(q=f'{text} {name}:"{quoted}"'.strip())
            st.rerun()


def _plain(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!|<>~:$" else letter for letter in text[:40])
