"""The supervisor, with real little processes."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from sandbox.checks import free_port, http_ok, tcp_open
from sandbox.supervisor import Part, PartError, Supervisor
from tailrace.errors import StateError

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def python(code: str) -> tuple[str, ...]:
    return ("python", "-u", "-c", code)


def supervisor(tmp_path: Path, *parts: Part, told: list[str] | None = None) -> Supervisor:
    sentences = [] if told is None else told
    return Supervisor(parts, tmp_path / "logs", tell=sentences.append)


def has_printed(path: Path, word: str = "up") -> Callable[[], bool]:
    return lambda: path.exists() and word in path.read_text()


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(check: Callable[[], bool], within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if check():
            return True
        time.sleep(0.02)
    return check()


def test_parts_start_in_the_order_of_what_they_need(tmp_path: Path) -> None:
    order = tmp_path / "order"
    note = f"import time; open({str(order)!r}, 'a').write('{{}} '); time.sleep(60)"
    parts = (
        Part("c", python(note.format("c")), after=("b",), ready=has_printed(order, "c")),
        Part("b", python(note.format("b")), after=("a",), ready=has_printed(order, "b")),
        Part("a", python(note.format("a")), ready=has_printed(order, "a")),
    )
    with supervisor(tmp_path, *parts) as running:
        assert running.start()
        assert order.read_text().split() == ["a", "b", "c"]


def test_a_task_is_done_once_before_what_comes_after_it(tmp_path: Path) -> None:
    made = tmp_path / "made"
    parts = (
        Part("task", python(f"open({str(made)!r}, 'a').write('x')"), once=True),
        Part("user", python(f"assert open({str(made)!r}).read() == 'x'; import time; time.sleep(60)"), after=("task",)),
    )
    with supervisor(tmp_path, *parts) as running:
        assert running.start()
        assert running.tend(for_s=0.5) == 0
        assert running.states() == {"task": "done", "user": "ready"}
        assert list(running.processes()) == ["user"]


def test_a_part_that_dies_is_started_again_and_tasks_that_need_it_are_done_again(tmp_path: Path) -> None:
    made, told = tmp_path / "made", list[str]()
    parts = (
        Part("server", python("import time; time.sleep(60)")),
        Part("task", python(f"open({str(made)!r}, 'a').write('x')"), after=("server",), once=True),
    )
    with supervisor(tmp_path, *parts, told=told) as running:
        running.start()
        first = running.processes()["server"]
        os.kill(first, signal.SIGKILL)
        running.tend(until=lambda: made.read_text() == "xx", for_s=10)
        assert made.read_text() == "xx"
        assert running.processes()["server"] != first
        assert told == ["server ended (signal SIGKILL); it is started again"]


def test_the_wait_before_a_restart_doubles_and_a_part_that_keeps_dying_is_told_about_with_its_log(tmp_path: Path) -> None:
    starts, told = tmp_path / "starts", list[str]()
    code = f"import sys, time; open({str(starts)!r}, 'a').write(f'{{time.monotonic()}}\\n'); print('no disk'); sys.exit(7)"
    parts = (Part("good", python("import time; time.sleep(60)")), Part("bad", python(code), ready=lambda: False))
    with supervisor(tmp_path, *parts, told=told) as running:
        running._starting = False
        assert running.tend(until=lambda: len(told) >= 4, for_s=20) == 3
        assert running.states()["good"] == "ready"
    times = [float(line) for line in starts.read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[0] >= 0.5
    assert gaps[1] >= 1.0
    assert gaps[2] >= 2.0
    assert "keeps dying" in told[-1]
    assert "exit code 7" in told[-1]
    assert "no disk" in told[-1]
    assert "bad.log" in told[-1]


def test_a_part_that_dies_while_starting_ends_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    with (
        supervisor(tmp_path, Part("bad", python("print('port taken'); raise SystemExit(4)"), ready=lambda: False)) as running,
        pytest.raises(PartError, match=r"(?s)bad ended \(exit code 4\), 3 times while starting; its log is .*bad\.log.*port taken"),
    ):
        running.start()


def test_a_task_that_fails_ends_the_start_at_once(tmp_path: Path) -> None:
    with (
        supervisor(tmp_path, Part("task", python("raise SystemExit(2)"), once=True)) as running,
        pytest.raises(PartError, match=r"task ended \(exit code 2\); its log is"),
    ):
        running.start()


def test_a_part_that_is_not_ready_in_time_ends_the_start(tmp_path: Path) -> None:
    slow = Part("slow", python("import time; time.sleep(60)"), ready=lambda: False, ready_within_s=0.3)
    with supervisor(tmp_path, slow) as running, pytest.raises(PartError, match=r"slow is not ready after 0\.3 s"):
        running.start()


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with (
        supervisor(tmp_path, Part("odd", ("/no/such/command",), ready=lambda: False)) as running,
        pytest.raises(PartError, match="cannot start /no/such/command: No such file or directory"),
    ):
        running.start()


def test_a_part_that_no_longer_answers_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.supervisor.CHECK_EVERY_S", 0.05)
    answers, told = [True], list[str]()
    with supervisor(tmp_path, Part("mute", python("import time; time.sleep(60)"), ready=lambda: answers[0]), told=told) as running:
        running.start()
        first = running.processes()["mute"]
        answers[0] = False
        running.tend(until=lambda: bool(told), for_s=10)
        answers[0] = True
        running.tend(until=lambda: running.states()["mute"] == "ready", for_s=10)
        assert told == ["mute does not answer any more; it is started again"]
        assert running.processes()["mute"] != first


def test_a_part_that_ignores_sigterm_is_gone_within_ten_seconds_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "stubborn.log"
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True);" + STUBBORN
    running = supervisor(tmp_path, Part("stubborn", python(code), ready=has_printed(log)))
    running.start()
    pids = [running.processes()["stubborn"], int(log.read_text().split()[0])]
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < 10
    assert all(wait_until(partial(is_gone, pid)) for pid in pids)


def test_stopping_goes_backwards(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = f"import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (open({str(order)!r}, 'a').write('{{}} '), sys.exit(0))); print('up', flush=True); time.sleep(60)"
    parts = [
        Part(name, python(code.format(name)), after=after, ready=has_printed(tmp_path / "logs" / f"{name}.log"))
        for name, after in (("a", ()), ("b", ("a",)), ("c", ("b",)))
    ]
    running = supervisor(tmp_path, *parts)
    running.start()
    running.stop()
    assert order.read_text().split() == ["c", "b", "a"]


MAIN = """
import sys
from functools import partial
from pathlib import Path
from sandbox.supervisor import Part, Supervisor
log = Path(sys.argv[1]) / "stubborn.log"
part = Part("stubborn", ("python", "-u", "-c", sys.argv[2]), ready=lambda: log.exists() and "up" in log.read_text())
with Supervisor([part], Path(sys.argv[1]), tell=print) as running, running.signals():
    running.start()
    print(running.processes()["stubborn"], flush=True)
    code = running.tend()
    running.stop()
    sys.exit(code)
"""


def start_main(tmp_path: Path, child: str) -> tuple["subprocess.Popen[str]", int]:
    main = subprocess.Popen([sys.executable, "-c", MAIN, str(tmp_path), child], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    return main, int(main.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_cleanly_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    main, child = start_main(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    main.send_signal(number)
    assert main.wait(10) == 0
    assert is_gone(child)


def test_the_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    main, child = start_main(tmp_path, STUBBORN)
    main.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert main.poll() is None
    began = time.monotonic()
    main.send_signal(signal.SIGTERM)
    assert main.wait(10) == 0
    assert time.monotonic() - began < 3
    assert is_gone(child)


def test_children_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    main, child = start_main(tmp_path, STUBBORN)
    main.kill()
    main.wait(10)
    assert wait_until(lambda: is_gone(child))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([Part("a", ("x",)), Part("a", ("y",))], "two parts have the same name"),
        ([Part("a", ("x",), after=("b",))], "no such parts to come after: b"),
        ([Part("a", ("x",), after=("b",)), Part("b", ("x",), after=("a",))], "these parts wait for each other: a, b"),
    ],
)
def test_parts_that_cannot_be_ordered_are_refused(tmp_path: Path, parts: Sequence[Part], problem: str) -> None:
    with pytest.raises(StateError, match=problem):
        Supervisor(parts, tmp_path, tell=print)


def test_an_http_server_is_ready_when_it_answers(tmp_path: Path) -> None:
    port = free_port()
    check = http_ok(f"http://127.0.0.1:{port}/")
    assert not check()
    with supervisor(tmp_path, Part("server", ("python", "-m", "http.server", str(port), "--bind", "127.0.0.1"), ready=check)) as running:
        assert running.start()
        assert check()
        assert tcp_open("127.0.0.1", port)()
        assert not http_ok(f"http://127.0.0.1:{port}/nothing-here")()
    assert not tcp_open("127.0.0.1", port)()


def test_a_signal_while_starting_ends_the_start(tmp_path: Path) -> None:
    with supervisor(tmp_path, Part("slow", python("import time; time.sleep(60)"), ready=lambda: False)) as running, running.signals():
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert not running.start()
        assert running.asked_to_stop
