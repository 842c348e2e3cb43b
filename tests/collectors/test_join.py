"""Lines of one event: the traces of six languages are one event each, what is not indented is its own, and every line is in exactly one event."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import join
from collectors.arrays import first_bytes
from collectors.join import join_lines
from collectors.lines import Lines
from tests.collectors.readers.samples import lines_of

JAVA = [
    "2026-11-24 10:00:00 ERROR c.s.Cart - failed",
    "java.lang.IllegalStateException: no stock",
    "\tat com.shop.Cart.add(Cart.java:12)",
    "\t... 12 more",
    "Caused by: java.io.IOException: broken",
    "\tat com.shop.Net.read(Net.java:3)",
    "\t... 3 common frames omitted",
]
PYTHON = [
    "ERROR:root:no stock",
    "Traceback (most recent call last):",
    '  File "cart.py", line 12, in add',
    "    take(sku)",
    "KeyError: 'sku'",
    "During handling of the above exception, another exception occurred:",
    "Traceback (most recent call last):",
    '  File "cart.py", line 14, in add',
    "shop.errors.StockError: none left",
]
NODE = ["Error: no stock", "    at add (/app/cart.js:12:5)", "    at process (node:internal)"]
GO = ["panic: no stock", "goroutine 1 [running]:", "\t/app/main.go:12 +0x1d"]
NET = [
    "fail: Shop.Cart[0]",
    "      no stock",
    "System.InvalidOperationException: none left",
    "   at Shop.Cart.Add() in /app/Cart.cs:line 12",
    "--- End of inner exception stack trace ---",
]
RUBY = ["cart.rb:12:in `add': no stock (RuntimeError)", "\tfrom cart.rb:3:in `<main>'"]
PRETTY = ["{", '  "level": "error",', '  "items": [', "    1", "  ]", "}"]


def joined(texts: list[str], times: list[int | None] | None = None) -> list[str]:
    found = join_lines(lines_of(texts, times=times)).text.to_pylist()
    return [str(text) for text in found]


@pytest.mark.parametrize("trace", [JAVA, PYTHON, NODE, GO, RUBY, PRETTY])
def test_a_trace_is_one_event_among_others(trace: list[str]) -> None:
    assert joined(["INFO before", *trace, "INFO after", *trace]) == ["INFO before", "\n".join(trace), "INFO after", "\n".join(trace)]


def test_a_trace_of_dot_net_belongs_to_the_failure_above_it() -> None:
    assert joined(["info: up", *NET])[0] == "info: up"
    assert "\n".join(joined(NET)) == "\n".join(NET)
    assert joined(NET)[0].startswith("fail: Shop.Cart[0]\n      no stock")


def test_the_head_of_a_trace_after_a_line_that_tells_of_no_error_is_an_event_of_its_own() -> None:
    assert joined(["INFO all is well", *PYTHON[1:5]]) == ["INFO all is well", "\n".join(PYTHON[1:5])]


@pytest.mark.parametrize("texts", [["a", "b"], ["KeyError: x"], ['{"a":1}', '{"b":2}'], ["Error: a", "Error: b"], [" indented first"], []])
def test_other_lines_are_left_as_they_are(texts: list[str]) -> None:
    assert joined(texts) == texts


def test_an_event_has_the_id_and_the_time_of_its_first_line_and_only_what_was_written_soon_after() -> None:
    found = join_lines(lines_of(["a", "\tb", "\tc", "d"], times=[1_000_000, 1_500_000, 5_000_000, 5_000_000]))
    assert found.text.to_pylist() == ["a\n\tb", "\tc", "d"]
    assert found.event_id.to_pylist() == ["id-0", "id-2", "id-3"]
    assert found.event_time.cast(pa.int64()).to_pylist() == [1_000_000, 5_000_000, 5_000_000]


def test_an_event_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "MAX_LINES", 3)
    assert joined(["a", *["\tb"] * 7, "c"]) == ["a\n\tb\n\tb", "\tb\n\tb\n\tb", "\tb\n\tb", "c"]


@given(st.lists(st.sampled_from([*JAVA, *PYTHON, *NODE, *GO, *NET, *RUBY, *PRETTY, "", " ", "plain"]), max_size=30))
def test_every_line_is_in_one_event_in_order(texts: list[str]) -> None:
    found: Lines = join_lines(lines_of(texts))
    assert "\n".join(map(str, found.text.to_pylist())) == "\n".join(texts)
    assert len(set(found.event_id.to_pylist())) == len(found)


@given(st.lists(st.text(" \tCS.-gDT}])aé{2", max_size=4)), st.integers(0, 3))
def test_the_first_bytes_of_lines_are_what_they_begin_with(texts: list[str], skipped: int) -> None:
    column = pa.array(texts, pa.string()).slice(skipped)
    assert first_bytes(column).tolist() == [(text.encode() or b"\0")[0] for text in texts[skipped:]]


@pytest.mark.parametrize("byte", range(1, 256))
def test_a_run_is_looked_at_if_any_of_its_lines_may_go_on(byte: int) -> None:
    ends = (
        " x",
        "aused by: ",
        "uppressed: ",
        ".. 1 more",
        "- End of ",
        "oroutine 1 [",
        "uring handling of the above exception",
        "he above exception was the direct cause",
        "",
        ";",
    )
    lines = pa.array([bytes([byte]).decode("latin-1") + end for end in ends])
    assert join._matching(lines, join._GOES_ON).any() <= join._GOES_ON_FIRST[byte]
