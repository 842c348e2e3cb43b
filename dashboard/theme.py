"""How the dashboard looks: colours of severities and states, charts, and the little CSS that Streamlit's own theme does not say."""

from types import MappingProxyType
from typing import Final

import altair as alt
import pandas as pd

from dashboard.searches import SEVERITY_ORDER

PRIMARY: Final = "#3563e9"

SEVERITY_COLOURS: Final = MappingProxyType(
    {
        "FATAL": "#9d174d",
        "ERROR": "#dc3545",
        "WARN": "#e8a317",
        "INFO": "#5b8def",
        "DEBUG": "#9aa8bd",
        "TRACE": "#c3ccd9",
        "none": "#c9d1dc",
        "events": "#5b8def",
    }
)
STATE_COLOURS: Final = MappingProxyType({"ok": "#2f9e6e", "error": "#e8a317", "throttle": "#8b5cf6", "fault": "#dc3545"})
OTHER_COLOURS: Final = ("#4c78dd", "#2aa198", "#b58900", "#a35fc4", "#d9713c", "#5c8a3a", "#c2558a", "#607d9c", "#8f6b4e", "#3e8ea8")

CSS: Final = """
<style>
.block-container { padding-top: 2.2rem !important; padding-bottom: 3rem !important; max-width: 1560px; }
[data-testid="stMetric"] { background: #f6f7f9; border-radius: 10px; padding: 10px 16px; }
[data-testid="stMetricValue"] { font-size: 1.6rem; font-weight: 600; }
[data-testid="stMetricLabel"] p { font-size: .8rem; opacity: .75; }
h1 { font-size: 1.6rem !important; padding: 0 0 .35rem 0 !important; } h2, h3 { font-size: 1.05rem !important; padding-bottom: .3rem !important; }
code { font-size: .82rem; }
.st-key-fields button, .st-key-fields button * { justify-content: flex-start !important; text-align: left !important; }
.st-key-fields button { min-height: 1.55rem !important; height: 1.55rem; padding: 0 .2rem !important; } .st-key-fields button p { font-size: .82rem; }
.st-key-fields button:hover { text-decoration: underline; }
.st-key-fields [data-testid="stExpander"] summary { padding: .25rem .6rem; font-size: .85rem; }
.st-key-fields [data-testid="stVerticalBlock"] { gap: .15rem; }
.st-key-query-list button, .st-key-query-list button * { justify-content: flex-start !important; text-align: left !important; }
@media (max-width: 1000px) { [data-testid="stColumn"]:has(.st-key-fields) { display: none; } }
@media (prefers-color-scheme: dark) { [data-testid="stMetric"] { background: rgb(128 128 128 / 14%); } }
@media (max-width: 900px) { .block-container { padding-left: 1rem !important; padding-right: 1rem !important; } [data-testid="stMetricValue"] { font-size: 1.2rem; } }
</style>
"""
"""Constant text of ours; no data ever goes into it."""


LOGO: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="150" height="32" viewBox="0 0 150 32">'
    '<path d="M3 12c4-5 8-5 12 0s8 5 12 0M3 20c4-5 8-5 12 0s8 5 12 0" fill="none" stroke="#3563e9" stroke-width="3.2" stroke-linecap="round"/>'
    '<text x="37" y="23" font-family="Source Sans,Helvetica,Arial,sans-serif" font-size="22" font-weight="700" fill="#5b6b86">tail'
    '<tspan fill="#3563e9">race</tspan></text></svg>'
)
"""The wordmark, in colours that both themes carry."""


def colours_of(groups: list[str]) -> tuple[list[str], list[str]]:
    """Answer the groups in the order of drawing and a colour for each: severities in theirs, others by turns."""
    if set(groups) <= set(SEVERITY_COLOURS):
        ordered = [*(name for name in SEVERITY_ORDER if name in groups), *(name for name in groups if name not in SEVERITY_ORDER)]
        return ordered, [SEVERITY_COLOURS[name] for name in ordered]
    ordered = sorted(groups, key=lambda name: (name == "none", name))
    return ordered, [SEVERITY_COLOURS["none"] if name == "none" else OTHER_COLOURS[number % len(OTHER_COLOURS)] for number, name in enumerate(ordered)]


def histogram_chart(frame: pd.DataFrame, height: int = 150) -> alt.Chart:
    """Draw counts over time (``start``, ``end``, ``group``, ``count``) as stacked bars that can be brushed from side to side."""
    ordered, colours = colours_of(list(dict.fromkeys(frame["group"])))
    drawn = frame.assign(rank=frame["group"].map({name: number for number, name in enumerate(ordered)}))
    brush = alt.selection_interval(name="brush", encodings=["x"])
    legend = alt.Legend(title=None, orient="top", symbolType="square", labelLimit=160, padding=0) if len(ordered) > 1 else None
    chart: alt.Chart = (
        alt.Chart(drawn)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "start:T", bin="binned", title=None, axis=alt.Axis(grid=False, labelOverlap=True, labelExpr=f"utcFormat(datum.value, '{_time_format(frame)}')")
            ),
            x2="end:T",
            y=alt.Y("count:Q", title=None, stack="zero", axis=alt.Axis(tickCount=4, format="~s", gridOpacity=0.4)),
            color=alt.Color("group:N", scale=alt.Scale(domain=ordered, range=colours), legend=legend),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("start:T", format="%Y-%m-%d %H:%M:%S", title="from"),
                alt.Tooltip("group:N", title="what"),
                alt.Tooltip("count:Q", format=",", title="events"),
            ],
        )
        .add_params(brush)
        .properties(height=height)
        .configure_view(strokeWidth=0)
    )
    return chart


def _time_format(frame: pd.DataFrame) -> str:
    """Answer how much of a time an axis must say."""
    length = frame["end"].max() - frame["start"].min()
    if length <= pd.Timedelta(minutes=6):
        return "%H:%M:%S"
    return "%H:%M" if length <= pd.Timedelta(hours=26) else "%b %d %H:%M"


def duration_chart(frame: pd.DataFrame, height: int = 150) -> alt.Chart:
    """Draw how many requests (``requests``) took how long (``ms``), in up to 40 bars."""
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=PRIMARY, binSpacing=1)
        .encode(
            x=alt.X("ms:Q", bin=alt.Bin(maxbins=40), title="response time in ms", axis=alt.Axis(grid=False)),
            y=alt.Y("sum(requests):Q", title=None, axis=alt.Axis(tickCount=3, format="~s")),
            tooltip=[alt.Tooltip("ms:Q", bin=alt.Bin(maxbins=40)), alt.Tooltip("sum(requests):Q", title="requests")],
        )
        .properties(height=height)
        .configure_view(strokeWidth=0)
    )
    return drawn


def line_chart(frame: pd.DataFrame, x: str, y: str, colour: str | None = None, height: int = 260) -> alt.Chart:
    """Draw a series over time or over a number."""
    kind = "T" if pd.api.types.is_datetime64_any_dtype(frame[x]) else "Q"
    chart = alt.Chart(frame).mark_line(point={"size": 18}, strokeWidth=2)
    encoding = {"x": alt.X(f"{x}:{kind}", title=None), "y": alt.Y(f"{y}:Q", title=y), "tooltip": [str(column) for column in frame.columns]}
    if colour:
        encoding["color"] = alt.Color(f"{colour}:N", legend=alt.Legend(orient="top", title=None), scale=alt.Scale(range=list(OTHER_COLOURS)))
    drawn: alt.Chart = chart.encode(**encoding).properties(height=height).configure_view(strokeWidth=0)
    return drawn


def bar_chart(frame: pd.DataFrame, x: str, y: str, colour: str | None = None, height: int = 260) -> alt.Chart:
    """Draw a number by name, the largest first."""
    encoding = {
        "y": alt.Y(f"{x}:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
        "x": alt.X(f"{y}:Q", title=y),
        "tooltip": [str(c) for c in frame.columns],
    }
    if colour:
        encoding["color"] = alt.Color(f"{colour}:N", legend=alt.Legend(orient="top", title=None), scale=alt.Scale(range=list(OTHER_COLOURS)))
    drawn: alt.Chart = alt.Chart(frame).mark_bar(color=PRIMARY, height={"band": 0.7}).encode(**encoding).properties(height=height).configure_view(strokeWidth=0)
    return drawn
