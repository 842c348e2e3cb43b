"""Trace map: which service calls which, how often, how fast, and where it breaks."""

import streamlit as st

from dashboard.components.trace_map.component import trace_map
from dashboard.components.trace_map.model import map_of
from dashboard.panels import graph
from dashboard.session import header, parameter, set_parameters, shown_errors, workspace

span = header("Trace map")

with shown_errors():
    service_graph = workspace().traces.service_graph(span.from_us, span.to_us)
    data = map_of(service_graph, span.minutes)
    if not data.nodes:
        st.info("No trace has come in within this range. Point an X-Ray SDK at this machine: AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000", icon=":material/hub:")
    else:
        graph.legend(data.left_out)
        selected = parameter("node") or None
        clicked = trace_map(data, key="trace-map", selected=selected)
        if clicked != selected and clicked is not None:
            set_parameters(node=clicked)
            st.rerun()
        if selected:
            graph.selection(service_graph, selected, span)
        else:
            st.caption("Click a service or an arrow to see its numbers; hold Ctrl and turn the wheel to zoom, drag to move.")
