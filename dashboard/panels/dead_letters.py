"""Dead letters, asked of the gateway: the write path is its own."""

from typing import Any, Final

import orjson
import pandas as pd
import streamlit as st
import urllib3

from dashboard.session import settings
from tailrace.errors import TransientError

TIMEOUT_S: Final = 5.0
SHOWN_BYTES: Final = 4_000


def show() -> None:
    """List dead letters; show one, and let it be replayed or dropped."""
    listed = orjson.loads(_ask("GET", "/_tailrace/dead?limit=200"))
    rows: list[dict[str, Any]] = listed["dead"]
    if not rows:
        st.caption("None: everything that came in could be read and delivered.")
        return
    frame = pd.DataFrame(rows)
    columns = [name for name in ("time", "kind", "source", "sink", "reason", "bytes") if name in frame]
    shown = st.dataframe(frame[columns], hide_index=True, on_select="rerun", selection_mode="single-row", key="dead")
    picked = shown["selection"]["rows"]
    if picked:
        _one(rows[picked[0]])


def _one(row: dict[str, Any]) -> None:
    identity = str(row["id"])
    with st.container(border=True):
        st.text(str(row["reason"]))
        body = _ask("GET", f"/_tailrace/dead/{identity}")
        st.code(body[:SHOWN_BYTES].decode("utf-8", "replace"), language=None, wrap_lines=True)
        left, right = st.columns(2)
        if left.button("Replay", icon=":material/replay:", width="stretch"):
            _ask("POST", f"/_tailrace/dead/{identity}/replay")
            st.rerun()
        if right.button("Drop", icon=":material/delete:", width="stretch"):
            _ask("POST", f"/_tailrace/dead/{identity}/drop")
            st.rerun()


def _ask(method: str, path: str) -> bytes:
    own = settings()
    headers = {"Authorization": f"Bearer {own.gateway_token}"} if own.gateway_token else {}
    try:
        answer = urllib3.request(method, own.gateway_url + path, headers=headers, timeout=TIMEOUT_S, retries=False, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise TransientError(f"the gateway at {own.gateway_url} does not answer") from error
    if answer.status >= 400:
        raise TransientError(f"the gateway answered {answer.status}")
    return bytes(answer.data)
