"""What the gateway's status means: which part is ill, and why. In goes the status as its parts tell it, out come problems and one word for all of it.

``ok``: all is well. ``degraded``: something is wrong, nothing is lost, input is taken. ``ill``: input is refused, or a thread has died. What a restart would help (a dead thread) is
told apart from what it would not (a full disk): a supervisor asks for the first alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from tailrace.settings import Settings

Grade = Literal["ok", "degraded", "ill"]
GRADES: Final[tuple[Grade, ...]] = ("ok", "degraded", "ill")
NEARLY_FULL: Final = 0.9
FAILING_AFTER_S: Final = 60.0
"""A sink that fails for so long is told of; a shorter time is what a restart of OpenSearch takes."""

REFUSED_WITHIN_S: Final = 90.0
"""A put that was refused makes the gateway ill for so long, unless a later one is taken: then whoever was sent elsewhere for it may try again. The gateway's own metrics try once a minute."""

HEARTBEATS_FAILED: Final = 3
KEEPER_IDLE_S: Final = 900.0
"""The keeper begins a round every five seconds; one that merges a backlog takes longer, and one that has not ended in a quarter of an hour stands still."""

CERTIFICATE_DAYS: Final = 7.0
"""Days before its end from which a certificate is told of: authorities that renew by themselves do so weeks before (Let's Encrypt: 30 days)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken for wrong: seconds that a row may wait for a sink, seconds that a sink may fail."""

    oldest_age_s: float = 300.0
    failing_s: float = FAILING_AFTER_S

    @staticmethod
    def of(settings: Settings) -> "Limits":
        """Answer the limits that the settings say."""
        return Limits(oldest_age_s=settings.health_max_age_s)


@dataclass(frozen=True, slots=True)
class Problem:
    """A part that is not well: how badly, why, and whether starting the process again helps."""

    part: str
    state: Grade
    why: str
    restart: bool = False


def problems_of(status: Mapping[str, Any], limits: Limits) -> tuple[Problem, ...]:
    """Answer what is wrong, the worst first."""
    found = [
        *_spool(status.get("spool", {})),
        *(problem for sink in status.get("sinks", ()) for problem in _sink(sink, limits)),
        *_thread("ledger", status.get("ledger", {})),
        *_keeper(status.get("keeper", {})),
        *_dead(status.get("dead", {})),
        *(Problem(f"door {name}", "degraded", str(told["error"])) for name, told in status.get("doors", {}).items() if told.get("error")),
        *(problem for name, told in status.get("certificates", {}).items() for problem in _certificate(name, told)),
        *_heartbeat(status.get("heartbeat", {})),
    ]
    return tuple(sorted(found, key=lambda problem: -GRADES.index(problem.state)))


def grade_of(problems: Sequence[Problem]) -> Grade:
    """Answer one word for all problems: that of the worst."""
    return max((problem.state for problem in problems), key=GRADES.index, default="ok")


def judged(status: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Answer the status with what it means: ``status`` and ``problems`` first."""
    problems = problems_of(status, limits)
    return {"status": grade_of(problems), "problems": [asdict(problem) for problem in problems], **status}


def _spool(spool: Mapping[str, Any]) -> Iterator[Problem]:
    share, error = spool.get("bytes", 0) / max(spool.get("max_bytes", 1), 1), spool.get("error", "")
    refused_s = spool.get("refused_ago_s")
    if error and refused_s is not None and refused_s < REFUSED_WITHIN_S:
        yield Problem("spool", "ill", f"takes nothing: {error}")
    elif share >= 1:
        yield Problem("spool", "ill", "takes nothing: it is full")
    elif error:
        yield Problem("spool", "degraded", f"the last put was refused: {error}")
    elif share >= NEARLY_FULL:
        yield Problem("spool", "degraded", f"is nearly full: {spool['bytes']:,} of {spool['max_bytes']:,} bytes")


def _sink(sink: Mapping[str, Any], limits: Limits) -> Iterator[Problem]:
    part = f"sink {sink.get('name', '')}"
    if not sink.get("alive", True):
        yield Problem(part, "ill", "its thread has died", restart=True)
    if sink.get("failing_s", 0) >= limits.failing_s:
        again = f"; tried again in {sink['next_try_s']:,.0f} s" if sink.get("next_try_s") else ""
        yield Problem(part, "degraded", f"fails since {sink['failing_s']:,.0f} s: {sink.get('error', '')}{again}")
    if sink.get("oldest_age_s", 0) > limits.oldest_age_s:
        yield Problem(part, "degraded", f"its oldest row waits since {sink['oldest_age_s']:,.0f} s, and {sink.get('behind_rows', 0):,} rows wait")


def _thread(part: str, told: Mapping[str, Any]) -> Iterator[Problem]:
    if not told.get("alive", True):
        yield Problem(part, "ill", "its thread has died", restart=True)
    if told.get("error"):
        yield Problem(part, "degraded", str(told["error"]))


def _keeper(told: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _thread("keeper", told)
    if not told.get("error") and told.get("idle_s", 0) >= KEEPER_IDLE_S:
        yield Problem("keeper", "degraded", f"its last round ended {told['idle_s']:,.0f} s ago")


def _dead(dead: Mapping[str, Any]) -> Iterator[Problem]:
    if dead and dead["bytes"] >= NEARLY_FULL * dead["max_bytes"]:
        yield Problem("dead letters", "degraded", f"are nearly full: {dead['bytes']:,} of {dead['max_bytes']:,} bytes; replay or drop some")


def _certificate(name: str, told: Mapping[str, Any]) -> Iterator[Problem]:
    if told["error"]:
        yield Problem(f"certificate of {name}", "degraded", told["error"])
    elif told["days_left"] < CERTIFICATE_DAYS:
        yield Problem(f"certificate of {name}", "degraded", f"expires in {told['days_left']:,.1f} days")


def _heartbeat(heartbeat: Mapping[str, Any]) -> Iterator[Problem]:
    if heartbeat.get("failures", 0) >= HEARTBEATS_FAILED:
        yield Problem("heartbeat", "degraded", f"{heartbeat['failures']:,} in a row were not taken: {heartbeat.get('error', '')}")
