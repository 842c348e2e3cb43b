"""Saved queries: Athena SQL with parameters, run here on the lake."""

import streamlit as st

from dashboard.panels import saved_query
from dashboard.session import header, parameter, set_parameters, shown_errors, workspace

span = header("Saved queries", live=False)

with shown_errors():
    queries = workspace().saved.list()
    names = [query.name for query in queries]
    wanted = parameter("query")
    left, right = st.columns([1.2, 3.2])
    with left, st.container(key="query-list"):
        for query in queries:
            is_chosen = query.name == (wanted or names[0])
            if st.button(query.title, key=f"query-{query.name}", type="secondary" if is_chosen else "tertiary", width="stretch", help=query.description):
                set_parameters(query=query.name)
                st.rerun()
    with right:
        chosen = next((query for query in queries if query.name == wanted), queries[0])
        saved_query.show(workspace(), chosen, span)
