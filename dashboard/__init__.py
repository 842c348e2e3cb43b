"""SHOW: the Streamlit pages.

In: data frames from ``queries`` and ``alerts``. Out: what a person sees. No logic lives in pages.
"""
