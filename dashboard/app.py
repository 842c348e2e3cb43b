"""The dashboard's router: ``python -m dashboard`` runs it."""

from pathlib import Path

import streamlit as st

from dashboard import theme

st.set_page_config(page_title="Tailrace", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide", initial_sidebar_state="auto")
st.html(theme.CSS)
st.logo(theme.LOGO, size="large")

page = st.navigation(
    {
        "": [
            st.Page("views/overview.py", title="Overview", icon=":material/dashboard:", default=True),
            st.Page("views/explore.py", title="Explore", icon=":material/search:", url_path="explore"),
        ],
        "Traces": [
            st.Page("views/trace_map.py", title="Trace map", icon=":material/hub:", url_path="map"),
            st.Page("views/traces.py", title="Traces", icon=":material/account_tree:", url_path="traces"),
        ],
        "Ask and watch": [
            st.Page("views/saved_queries.py", title="Saved queries", icon=":material/database:", url_path="queries"),
            st.Page("views/alert_rules.py", title="Alerts", icon=":material/notifications:", url_path="alerts"),
        ],
        "Operate": [st.Page("views/pipeline.py", title="Pipeline", icon=":material/valve:", url_path="pipeline")],
    }
)
page.run()
