"""Dead letters in groups, asked of the gateway: the write path is its own."""

from typing import Any, Final

import orjson
import pandas as pd
import streamlit as st

from dashboard.session import gateway
from tailrace.errors import TransientError

TIMEOUT_S: Final = 5.0
WORK_TIMEOUT_S: Final = 60.0
SHOWN_BYTES: Final = 4_000
SHOWN_REASONS: Final = 5
FORESEEN: Final = {
    "parsed": "rows read in full",
    "partial": "rows read in part",
    "failed": "rows not read",
    "spans": "spans",
    "metrics": "metrics",
    "documents": "documents for OpenSearch",
    "dropped": "dropped by rules",
    "dead": "dead letters again",
}
LISTED: Final = 200
GROUP_COLUMNS: Final = {
    "cause": "Cause",
    "count": st.column_config.NumberColumn("Letters", format="localized"),
    "newest": st.column_config.DatetimeColumn("Newest", format="MMM D, HH:mm:ss"),
    "content": "Content",
    "sink": "Sink",
    "source": "Sources",
    "oldest": st.column_config.DatetimeColumn("Oldest", format="MMM D, HH:mm:ss"),
    "bytes": st.column_config.NumberColumn("Size", format="bytes"),
}
LETTER_COLUMNS: Final = {
    "time": st.column_config.DatetimeColumn("Time", format="MMM D, HH:mm:ss"),
    "source": "Source",
    "reason": "Reason",
    "bytes": st.column_config.NumberColumn("Size", format="bytes"),
}


def show() -> None:
    """Show the groups; of the one that is picked its letters; of the letter that is picked what it holds, and let it be replayed or dropped."""
    found: list[dict[str, Any]] = orjson.loads(_ask("GET", "/_tailrace/dead/groups"))["groups"]
    if not found:
        st.caption("None: everything that came in could be read and delivered.")
        return
    rows = [{**one, "source": ", ".join(one["sources"])} for one in found]
    picked = _picked(rows, GROUP_COLUMNS, "dead-groups")
    if picked is None:
        st.caption("A group is letters of one cause and one shape: one thing to mend. Pick one to see its letters.")
    else:
        _group(picked)


def _group(group: dict[str, Any]) -> None:
    name = str(group["group"])
    rows: list[dict[str, Any]] = orjson.loads(_ask("GET", f"/_tailrace/dead?limit={LISTED}&group={name}"))["dead"]
    more = f"; the newest {LISTED} are listed" if group["count"] > LISTED else ""
    st.caption(f"Letters of group {name}: {group['count']:,}{more}")
    _replay(f"groups/{name}", "Replay all", name)
    picked = _picked(rows, LETTER_COLUMNS, f"dead-{name}") if rows else None
    if picked is not None:
        _one(picked)


def _picked(rows: list[dict[str, Any]], columns: dict[str, Any], key: str) -> dict[str, Any] | None:
    frame = pd.DataFrame(rows)[list(columns)]
    for name in ("time", "oldest", "newest"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name])
    shown = st.dataframe(frame, hide_index=True, on_select="rerun", selection_mode="single-row", key=key, column_config=columns)
    picked = shown["selection"]["rows"]
    return rows[picked[0]] if picked and picked[0] < len(rows) else None


def _one(row: dict[str, Any]) -> None:
    identity = str(row["id"])
    with st.container(border=True):
        st.text(str(row["reason"]))
        body = _ask("GET", f"/_tailrace/dead/{identity}")
        st.code(body[:SHOWN_BYTES].decode("utf-8", "replace"), language=None, wrap_lines=True)
        _replay(identity, "Replay", identity)
        if st.button("Drop", icon=":material/delete:"):
            _ask("POST", f"/_tailrace/dead/{identity}/drop")
            st.rerun()


def _replay(what: str, label: str, key: str) -> None:
    """Offer a dry run, and the replay itself; say what came of either."""
    left, right, _ = st.columns([1, 1, 3])
    if left.button("Dry run", icon=":material/visibility:", width="stretch", key=f"dry-{key}", help="Say what it would become, and put nothing"):
        told = orjson.loads(_ask("POST", f"/_tailrace/dead/{what}/replay?dry_run=true", WORK_TIMEOUT_S))
        _foreseen(told.get("dry_run", [told]))
    if right.button(label, icon=":material/replay:", width="stretch", key=f"replay-{key}"):
        _ask("POST", f"/_tailrace/dead/{what}/replay", WORK_TIMEOUT_S)
        st.rerun()


def _foreseen(found: list[dict[str, Any]]) -> None:
    sums = {name: sum(one[name] for one in found) for name in FORESEEN}
    st.text(f"Dry run of {len(found):,}: " + (", ".join(f"{number:,} {FORESEEN[name]}" for name, number in sums.items() if number) or "nothing"))
    for reason in list(dict.fromkeys(text for one in found for text in (*one["reasons"], one["note"]) if text))[:SHOWN_REASONS]:
        st.text(reason)


def _ask(method: str, path: str, timeout_s: float = TIMEOUT_S) -> bytes:
    answer = gateway().ask(method, path, timeout_s=timeout_s)
    if answer.status >= 400:
        raise TransientError(f"the gateway answered {answer.status}")
    return answer.body
