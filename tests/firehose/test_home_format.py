"""Homes of other versions: older ones are brought up and lose nothing, newer ones are refused untouched."""

import shutil
from pathlib import Path

import pytest

from firehose import LocalFirehose
from firehose.home_format import CURRENT, NAME, bring_up
from tailrace.clock import SystemClock
from tailrace.errors import StateError
from tailrace.ledger import open_ledger
from tests.firehose.deliveries import delivery_of, lake_column, numbered, numbers, quick
from tests.firehose.test_delivery_stream import MemorySink, lake_of, wait_for

HOMES = Path(__file__).parents[1] / "golden" / "homes"
"""Of each form a home whose process was ended while OpenSearch was down: 60 events from three sources and a dead letter."""


def test_there_is_a_home_of_each_form() -> None:
    assert sorted(path.name for path in HOMES.iterdir()) == [f"form-{form}.tar.gz" for form in range(1, CURRENT + 1)]


@pytest.mark.parametrize("form", range(1, CURRENT + 1))
def test_what_waits_in_a_home_of_each_form_is_delivered_and_counted(tmp_path: Path, form: int) -> None:
    shutil.unpack_archive(HOMES / f"form-{form}.tar.gz", tmp_path)
    sink = MemorySink(name="opensearch")
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[lake_of(tmp_path), sink]) as stream:
        stream.put(delivery_of(numbered(40, 40), source="test:again"))  # half of them were there
        assert stream.flush()
        assert wait_for(lambda: len(sink.ids) == 80)
        assert stream.dead.count() == 1
    assert sorted(sink.ids) == sorted(lake_column(tmp_path)) == numbers(80)
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems
    assert next(hop.duplicate for hop in check.hops if hop.hop == "spool" and hop.unit == "events") == 20
    assert (tmp_path / NAME).read_text() == f"{CURRENT}\n"


def test_a_newer_home_is_refused_in_one_sentence_and_nothing_is_touched(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(f"{CURRENT + 1}\n")
    with pytest.raises(StateError, match=f"written by a newer Tailrace \\(form {CURRENT + 1}\\)"):
        LocalFirehose(quick(tmp_path), SystemClock())
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [NAME, "lock"]


@pytest.mark.parametrize("text", [b"", b"0", b"-1", b"one", b"\xff", b"1" * 20, b"1 2"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(StateError, match="not the number of a form"):
        bring_up(tmp_path)


def test_steps_are_taken_in_order_and_the_one_that_failed_again(tmp_path: Path) -> None:
    taken: list[int] = []

    def step(form: int, fails: list[int]) -> None:
        taken.append(form)
        if form in fails:
            fails.remove(form)
            raise OSError(28, "No space left on device")

    fails = [2]
    steps = {form: lambda _, form=form: step(form, fails) for form in (1, 2, 3)}
    with pytest.raises(OSError, match="No space"):
        bring_up(tmp_path, current=4, steps=steps)
    assert (tmp_path / NAME).read_text() == "2\n"
    bring_up(tmp_path, current=4, steps=steps)
    bring_up(tmp_path, current=4, steps=steps)
    assert (taken, (tmp_path / NAME).read_text()) == ([1, 2, 2, 3], "4\n")
