"""Lines of one event: the traces of seven languages are one event each, what is not indented is its own, and every line is in exactly one event."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import join
from collectors.arrays import first_bytes, matching
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
RUBY_LOGGER = ["E, [2026-11-24T10:00:00.1 #1] ERROR -- : no stock (RuntimeError)", "/app/cart.rb:12:in 'add'", "/app/cart.rb:3:in `<main>'"]
GO_SIGNAL = [
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48]",
    "goroutine 1 [running]:",
    "main.(*Cart).Add(0xc000012345, {0x1, 0x2})",
    "\t/app/cart.go:12 +0x1d",
    "created by main.start in goroutine 1",
    "\t/app/main.go:3 +0x3",
    "exit status 2",
]
NODE_UNCAUGHT = [
    "/app/cart.js:12",
    "    throw new TypeError('no')",
    "    ^",
    "TypeError [ERR_X]: no",
    "    at add (/app/cart.js:12:5) {",
    "  code: 'ERR_X'",
    "}",
]
NET_CONSOLE = [
    "fail: Shop.Cart[0]",
    "      no stock",
    "      System.InvalidOperationException: none left",
    "       ---> System.IO.IOException: x",
    "         at Shop.Cart.Add() in /app/Cart.cs:line 12",
    "         --- End of inner exception stack trace ---",
]
PHP = [
    "PHP Fatal error:  Uncaught RuntimeException: no in /a.php:3",
    "Stack trace:",
    "#0 /a.php(7): f()",
    "#1 [internal function]: g()",
    "#2 {main}",
    "  thrown in /a.php on line 3",
]
PRETTY = ["{", '  "level": "error",', '  "items": [', "    1", "  ]", "}"]


def joined(texts: list[str], times: list[int | None] | None = None) -> list[str]:
    found = join_lines(lines_of(texts, times=times)).text.to_pylist()
    return [str(text) for text in found]


@pytest.mark.parametrize("trace", [JAVA, PYTHON, NODE, NODE_UNCAUGHT, GO, GO_SIGNAL, NET, NET_CONSOLE, RUBY, RUBY_LOGGER, PHP, PRETTY])
def test_a_trace_is_one_event_among_others(trace: list[str]) -> None:
    assert joined(["INFO before", *trace, "INFO after", *trace]) == ["INFO before", "\n".join(trace), "INFO after", "\n".join(trace)]


def test_one_trace_behind_another_is_an_event_of_its_own() -> None:
    trace = ["java.io.IOException: a", "\tat a.B.c(B.java:1)"]
    assert joined([*trace, *trace]) == ["\n".join(trace), "\n".join(trace)]


@pytest.mark.parametrize("trace", [JAVA, PYTHON, NODE, GO_SIGNAL, NET, RUBY_LOGGER, PHP, PRETTY])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_trace_that_a_container_wrote_is_one_event(trace: list[str], stream: str) -> None:
    cri = [f"2026-11-24T10:00:0{number}.1Z {stream} F {text}" for number, text in enumerate(trace)]
    assert joined(cri) == [f"2026-11-24T10:00:00.1Z {stream} F " + "\n".join(trace)]
    docker = [json.dumps({"log": f"{text}\n", "stream": stream, "time": str(number)}, separators=(",", ":")) for number, text in enumerate(trace)]
    (event,) = map(json.loads, joined(docker))
    assert event == {"log": "\n".join(trace) + "\n", "stream": stream, "time": "0"}


def test_pieces_of_a_line_that_a_container_runtime_cut_are_one() -> None:
    head = "2026-11-24T10:00:00.1Z stdout"
    assert joined([f"{head} P ab", f"{head} P:x cd", f"{head} F ef", f"{head} F gh"]) == [f"{head} F abcdef", f"{head} F gh"]
    assert joined([f"{head} P ab", "2026-11-24T10:00:00.1Z stderr F x", f"{head} F cd"]) == [
        f"{head} P ab",
        "2026-11-24T10:00:00.1Z stderr F x",
        f"{head} F cd",
    ]
    assert joined([f"{head} F a", f"{head} P b"]) == [f"{head} F a", f"{head} P b"]
    texts = ['{"log":"ab","stream":"stdout","time":"1"}', '{"log":"c\\"d\\n","stream":"stdout","time":"2"}', '{"log":"e\\n","stream":"stdout","time":"3"}']
    assert joined(texts) == ['{"log":"abc\\"d\\n","stream":"stdout","time":"1"}', texts[2]]


def test_lines_of_two_streams_and_lines_that_no_container_wrote_stay_apart() -> None:
    texts = ["2026-11-24T10:00:00.1Z stdout F ERROR a", "2026-11-24T10:00:00.1Z stderr F \tat b", "\tat c"]
    assert joined(texts) == texts


@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.sampled_from("FP"), st.sampled_from([*JAVA, *GO_SIGNAL, "", " ", '"', "plain"])), max_size=20)
)
def test_no_text_of_a_container_is_lost(written: list[tuple[str, str, str]]) -> None:
    head = "2026-11-24T10:00:00.1Z"
    cri = joined([f"{head} {stream} {tag} {text}" for stream, tag, text in written])
    assert "".join(event.split(" ", 3)[3].replace("\n", "") for event in cri) == "".join(text for _, _, text in written)
    ends = {"F": "\n", "P": ""}
    docker = joined([json.dumps({"log": text + ends[tag], "stream": stream, "time": ""}, separators=(",", ":")) for stream, tag, text in written])
    assert "".join(json.loads(event)["log"] for event in docker) == "".join(text + ends[tag] for _, tag, text in written)


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


@given(
    st.lists(st.sampled_from([*JAVA, *PYTHON, *NODE, *NODE_UNCAUGHT, *GO, *GO_SIGNAL, *NET, *RUBY, *RUBY_LOGGER, *PHP, *PRETTY, "", " ", "plain"]), max_size=30)
)
def test_every_line_is_in_one_event_in_order(texts: list[str]) -> None:
    found: Lines = join_lines(lines_of(texts))
    assert "\n".join(map(str, found.text.to_pylist())) == "\n".join(texts)
    assert len(set(found.event_id.to_pylist())) == len(found)


@given(st.lists(st.text(" \tCS.-gDT}])#/aé{2", max_size=4)), st.integers(0, 3))
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
        "0 {main}",
        "tack trace:",
        "app/a.rb:1:in 'b'",
        "",
        ";",
    )
    lines = pa.array([bytes([byte]).decode("latin-1") + end for end in ends])
    assert matching(lines, join._GOES_ON).any() <= join._GOES_ON_FIRST[byte]
