"""``tailrace demo --check``: one marked event and one trace through every part, and a proof for each.

It runs in a folder of its own (a temporary one, which is kept where something failed), on free ports, with an alert rule that posts to a web server of this process. The
event goes in by PutLogEvents, so through the subscription, the stream and the consumer; the trace goes in as aws-xray-sdk sends it, by UDP. Then every proof
is tried again until it holds or the time is over; its delay is counted from the moment that both were sent.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from queries.workspace import Workspace
from sandbox.checks import free_port
from sandbox.demo import DUCKDB_MEMORY, Stack, ingest_parts
from sandbox.marked import Mark, new_mark, put_event, send_trace
from sandbox.proofs import PROOFS, Evidence, Prove
from sandbox.supervisor import PartError, Supervisor
from sandbox.webhook import Received, webhook_receiver
from tailrace.clock import US_PER_S, Clock, SystemClock
from tailrace.errors import TailraceError
from tailrace.settings import Settings

PROVE_WITHIN_S: Final = 35.0
TRY_EVERY_S: Final = 0.1
STARTED: Final = "the stack is up"

RULE: Final = """\
name: {name}
type: any
index: tailrace-logs-*
filter:
  - query:
      query_string:
        query: "message:{word}"
alert: post
http_post_url: "{url}"
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """One row of the table: what was to be proved, whether it was, after how many seconds, and what was seen, or what was expected."""

    name: str
    passed: bool
    after_s: float
    detail: str


def run_check(*, tell: Callable[[str], None], clock: Clock | None = None) -> list[Proof]:
    """Start what is needed, send the event and the trace, and prove."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-check-"))
    proofs = _run(home, tell, clock or SystemClock())
    if all(proof.passed for proof in proofs):
        shutil.rmtree(home, ignore_errors=True)
    else:
        tell(f"everything about this check is kept in {home}")
    return proofs


def check_stack(home: Path) -> Stack:
    """Answer the settings of the check: all defaults, but free ports, alert rules that run every second, and a webhook on this machine allowed."""
    emulator_port = free_port()
    settings = Settings(
        home=home,
        gateway_port=free_port(),
        xray_port=free_port(udp=True),
        aws_endpoint_url=f"http://127.0.0.1:{emulator_port}",
        alert_every_s=1.0,
        webhook_allow="127.0.0.1",
        duckdb_memory=DUCKDB_MEMORY,
    )
    return Stack(settings, emulator_port, 0)


def _run(home: Path, tell: Callable[[str], None], clock: Clock) -> list[Proof]:
    stack, mark = check_stack(home), new_mark()
    with ExitStack() as opened:
        received = opened.enter_context(webhook_receiver())
        write_rule(stack.settings.rules_folder, mark, received)
        supervisor = opened.enter_context(Supervisor(ingest_parts(stack), stack.logs, tell=tell, clock=clock))
        opened.enter_context(supervisor.signals())
        started = _start(supervisor, clock)
        if not started.passed:
            return [started]
        workspace = opened.enter_context(Workspace(stack.settings, clock))
        evidence = Evidence(stack.settings, mark, clock.now_us(), workspace, received)
        put_event(stack.settings, mark, evidence.sent_us)
        send_trace(stack.xray, mark)
        return [started, *prove(evidence, PROOFS, clock, while_waiting=supervisor.step, stopped=lambda: supervisor.asked_to_stop)]


def write_rule(folder: Path, mark: Mark, received: Received) -> None:
    """Write the alert rule of the check."""
    folder.mkdir(parents=True)
    (folder / "check.yaml").write_text(RULE.format(name="demo check", word=mark.word, url=received.url), "utf-8")


def _start(supervisor: Supervisor, clock: Clock) -> Proof:
    began_s = clock.monotonic_s()
    try:
        passed = supervisor.start()
    except PartError as error:
        return Proof(STARTED, passed=False, after_s=clock.monotonic_s() - began_s, detail=str(error))
    parts = ", ".join(supervisor.processes()) if passed else "stopped by a signal"
    return Proof(STARTED, passed, clock.monotonic_s() - began_s, parts)


def prove(
    evidence: Evidence, proofs: Sequence[tuple[str, Prove]], clock: Clock, *, while_waiting: Callable[[], None], stopped: Callable[[], bool]
) -> list[Proof]:
    """Try every proof until it holds or the time is over; answers them in their order."""
    done: dict[str, Proof] = {}
    while True:
        for name, attempt in proofs:
            if name not in done or not done[name].passed:
                done[name] = _try(name, attempt, evidence, clock)
        over = _since_s(evidence, clock) > PROVE_WITHIN_S or stopped()
        if over or all(proof.passed for proof in done.values()):
            return [done[name] for name, _ in proofs]
        while_waiting()
        clock.sleep(TRY_EVERY_S)


def _try(name: str, attempt: Prove, evidence: Evidence, clock: Clock) -> Proof:
    try:
        detail = attempt(evidence)
    except (TailraceError, OSError) as error:
        return Proof(name, passed=False, after_s=_since_s(evidence, clock), detail=str(error))
    return Proof(name, passed=True, after_s=_since_s(evidence, clock), detail=detail)


def _since_s(evidence: Evidence, clock: Clock) -> float:
    return (clock.now_us() - evidence.sent_us) / US_PER_S
