"""Incidents follow from the time and from what a person switched."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sandbox.incidents import EVERY_S, SCHEDULE, Board, Watch, board_path, main, read_board, switch, write_board
from tailrace.clock import US_PER_S, ManualClock, SystemClock
from tailrace.errors import FileError, UsageError

BEGAN_US = 1_790_000_000 * US_PER_S


def at(seconds: float) -> int:
    return BEGAN_US + round(seconds * US_PER_S)


def test_the_first_fault_shows_within_the_first_minute() -> None:
    board = Board(BEGAN_US)
    assert board.active(at(10)) == frozenset()
    assert board.active(at(30)) == {"payment_errors"}


def test_the_schedule_repeats_and_never_has_two_at_once() -> None:
    board = Board(BEGAN_US)
    for second in range(EVERY_S):
        assert board.active(at(second)) == board.active(at(second + 7 * EVERY_S))
        assert len(board.active(at(second))) <= 1


def test_every_incident_has_its_time() -> None:
    seen = {name for second in range(EVERY_S) for name in Board(BEGAN_US).active(at(second))}
    assert seen == set(SCHEDULE)


def test_nothing_is_on_before_the_beginning() -> None:
    assert Board(BEGAN_US).active(at(-260)) == frozenset()


def test_a_person_switches_an_incident_on_and_off(tmp_path: Path) -> None:
    path, clock = tmp_path / "board.json", ManualClock(BEGAN_US)
    write_board(path, Board(BEGAN_US, scheduled=False))
    switch(path, "silent_cart", on=True, for_s=60, clock=clock)
    assert read_board(path).active(at(59)) == {"silent_cart"}
    assert read_board(path).active(at(61)) == frozenset()
    switch(path, "silent_cart", on=False, for_s=60, clock=clock)
    assert read_board(path).active(at(1)) == frozenset()


def test_a_person_keeps_a_scheduled_incident_off(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    write_board(path, Board(BEGAN_US))
    switch(path, "payment_errors", on=False, for_s=60, clock=ManualClock(BEGAN_US))
    assert read_board(path).active(at(30)) == frozenset()


def test_an_incident_that_does_not_exist_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such incident: silent_card \\(did you mean 'silent_cart'\\?\\)"):
        switch(tmp_path / "board.json", "silent_card", on=True, for_s=1, clock=ManualClock())


def test_a_watch_sees_a_change_within_half_a_second(tmp_path: Path) -> None:
    path, clock = tmp_path / "board.json", ManualClock(BEGAN_US)
    watch = Watch(path, clock)
    assert not watch.is_on("slow_inventory")
    write_board(path, Board(BEGAN_US, on_until_us={"slow_inventory": at(100)}))
    assert not watch.is_on("slow_inventory")
    clock.sleep(0.5)
    assert watch.is_on("slow_inventory")


@given(st.binary(max_size=200) | st.just(b'{"began_us": 1, "on_until_us": {"x": 1}}'))
def test_a_board_that_is_none_is_one_clear_error_and_switches_nothing_on(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("board") / "board.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"board\.json: not a board of incidents"):
        read_board(path)
    assert not Watch(path, ManualClock()).is_on("silent_cart")


def test_the_command_shows_what_is_on(tmp_path: Path) -> None:
    write_board(board_path(tmp_path), Board(SystemClock().now_us(), scheduled=False))
    shown = CliRunner().invoke(main, ["--home", str(tmp_path), "start", "silent_cart"])
    assert shown.exit_code == 0, shown.output
    assert orjson.loads(shown.output)["silent_cart"]["on"] is True
    assert orjson.loads(CliRunner().invoke(main, ["--home", str(tmp_path), "status"]).output)["payment_errors"]["on"] is False


def test_the_command_says_where_no_demo_runs(tmp_path: Path) -> None:
    failed = CliRunner().invoke(main, ["--home", str(tmp_path), "status"])
    assert isinstance(failed.exception, FileError)
    assert "is the demo running?" in str(failed.exception)
