"""Tiles: a few numbers side by side, as wide as their texts; where a page is too narrow for all of them, they go on in the next line."""

import streamlit as st


def row() -> "st.delta_generator.DeltaGenerator":
    """Answer a place for tiles."""
    return st.container(horizontal=True, gap="small")


def tile(where: "st.delta_generator.DeltaGenerator", label: str, value: str, note: str = "") -> None:
    """Show a number, or a word."""
    where.metric(label, value, help=note or None, width="content")
