"""The loop of the alert engine: read the rules, run them, deliver what is in the outbox, wait, again.

Rule files are read again when one of them changes. A folder with a wrong file keeps the rules that were read before, and the error is logged once.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alerts.channels import Channel
from alerts.engine import Run, run_all
from alerts.outbox import Delivered, deliver
from alerts.rule import Rule
from alerts.rule_file import SUFFIXES, read_rules
from alerts.state import AlertState
from queries.engine import SearchEngine
from tailrace.clock import Clock
from tailrace.errors import FileError
from tailrace.tracing import UNTRACED, Tracer, traced

LOGGER = logging.getLogger("tailrace.alerts")
SERVICE = "tailrace-alerts"


@dataclass(slots=True)
class Watch:
    """One engine over a folder of rules."""

    engine: SearchEngine
    state: AlertState
    channels: Mapping[str, Channel]
    folder: Path
    clock: Clock
    tracer: Tracer = UNTRACED
    _rules: list[Rule] = field(default_factory=list)
    _stamp: tuple[tuple[str, int], ...] | None = None

    def round(self) -> tuple[list[Run], Delivered]:
        """Run every rule once and try what is due."""
        self._reload()
        with self.tracer.segment(SERVICE, rules=len(self._rules)):
            runs = run_all(self.engine, self.state, self._rules, self.clock)
            for run in runs:
                if run.error:
                    LOGGER.warning("rule %s: %s", run.rule, run.error)
            with traced("deliver"):
                return runs, deliver(self.state, self.channels, self.clock)

    def run(self, every_s: float, should_stop: Callable[[], bool]) -> None:
        """Go round until told to stop; a round that takes longer than ``every_s`` is followed by the next at once."""
        while not should_stop():
            began = self.clock.monotonic_s()
            self.round()
            while not should_stop() and self.clock.monotonic_s() - began < every_s:
                self.clock.sleep(0.1)

    def _reload(self) -> None:
        stamp = tuple((str(path), path.stat().st_mtime_ns) for path in sorted(self.folder.rglob("*")) if path.suffix in SUFFIXES)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._rules = read_rules(self.folder)
        except FileError as error:
            LOGGER.error("rules stay as they were: %s", error)  # noqa: TRY400 - the message names file and line; a traceback adds nothing
