"""Traces: the list, and one trace as a waterfall with its log lines."""

import streamlit as st

from dashboard.panels import trace
from dashboard.session import header, parameter, set_parameters, shown_errors, workspace

span = header("Traces")

with shown_errors():
    chosen = parameter("trace")
    if chosen:
        if st.button("All traces", icon=":material/arrow_back:", type="tertiary"):
            set_parameters(trace=None, span=None)
            st.rerun()
        trace.show(workspace(), chosen)
    else:
        left, middle, right = st.columns([3, 2, 1.4], vertical_alignment="bottom")
        entered = left.text_input(
            "Trace id", placeholder="a trace id in any notation: 1-…, 32 hex digits, Root=…", label_visibility="collapsed", icon=":material/tag:"
        )
        if entered.strip():
            set_parameters(trace=entered.strip())
            st.rerun()
        service = middle.text_input("Service", value=parameter("service"), placeholder="any service", label_visibility="collapsed", icon=":material/dns:")
        faults = right.toggle("With faults", value=parameter("faults") == "1")
        set_parameters(service=service, faults="1" if faults else None)
        trace.listing(workspace(), span, service, only_faults=faults)
