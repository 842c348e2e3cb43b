"""Runs the rules: new hits become matches, matches become alerts with a state, alerts become messages in the outbox.

The order of a run, all in one transaction: read new hits, feed them to the rule's windows by key, and for each match fire or refresh the alert of its key; a match of a silenced
key is counted and sends nothing. An alert whose key has had no match for ``resolve_after`` is resolved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from alerts import message
from alerts.rule import AnyType, FrequencyType, Hit, Match, Rule
from alerts.rules import any as any_rule
from alerts.rules import frequency
from alerts.scan import OVERLAP_US, new_hits
from alerts.state import Alert, AlertState, Notice
from queries.engine import SearchEngine
from tailrace.clock import Clock
from tailrace.errors import TailraceError
from tailrace.ids import position_event_id
from tailrace.tracing import traced


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of one rule did."""

    rule: str
    hits: int = 0
    matches: int = 0
    suppressed: int = 0
    notices: int = 0
    resolved: int = 0
    error: str = ""


def run_all(engine: SearchEngine, state: AlertState, rules: Iterable[Rule], clock: Clock) -> list[Run]:
    """Run every enabled rule once; one that fails does not stop the others."""
    return [run_rule(engine, state, rule, clock.now_us()) for rule in rules if rule.is_enabled]


def run_rule(engine: SearchEngine, state: AlertState, rule: Rule, now_us: int) -> Run:
    """Run one rule once; an error of the search is written down and answered, and the next run reads from the same place."""
    try:
        with traced("rule", rule=rule.name) as part, state.transaction():
            read_to = state.read_to(rule.name, rule.fingerprint)
            hits = state.unseen(rule.name, new_hits(engine, rule, read_to, now_us))
            matches = _matches(state, rule, hits, now_us)
            outcome = _fire(state, rule, matches, now_us)
            resolved = _resolve(state, rule, now_us)
            state.forget_seen(rule.name, now_us - rule.buffer_us - OVERLAP_US)
            state.ran(rule.name, rule.fingerprint, now_us, now_us)
            part.note(hits=len(hits), matches=len(matches))
    except TailraceError as error:
        state.failed(rule.name, rule.fingerprint, str(error), now_us)
        return Run(rule.name, error=str(error))
    return replace(outcome, hits=len(hits), resolved=resolved)


def key_of(rule: Rule, document: Mapping[str, object]) -> str:
    """Answer the key of a hit: the values of ``query_key`` with commas between, as in ElastAlert; ``None`` where one is missing."""
    return ", ".join(str(message.field_of(document, name)) for name in rule.query_key)


def _by_key(rule: Rule, hits: Sequence[Hit]) -> dict[str, list[Hit]]:
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(key_of(rule, hit.document), []).append(hit)
    return groups


def _matches(state: AlertState, rule: Rule, hits: Sequence[Hit], now_us: int) -> list[Match]:
    groups = _by_key(rule, hits)
    match rule.type:
        case AnyType():
            return [found for key, group in groups.items() for found in any_rule.step(key, group)]
        case FrequencyType() as options:
            found = [match for key, group in groups.items() for match in _frequency(state, rule, options, key, group)]
            _collect_garbage(state, rule, options, now_us)
            return found
    assert_never(rule.type)


def _frequency(state: AlertState, rule: Rule, options: FrequencyType, key: str, hits: Sequence[Hit]) -> list[Match]:
    window = state.window(rule.name, key)
    matches = frequency.step(options, key, window, hits)
    state.keep_window(rule.name, key, window)
    return matches


def _collect_garbage(state: AlertState, rule: Rule, options: FrequencyType, now_us: int) -> None:
    for key in state.window_keys(rule.name):
        if frequency.is_over(options, state.window(rule.name, key), now_us):
            state.drop_window(rule.name, key)


def _fire(state: AlertState, rule: Rule, matches: Sequence[Match], now_us: int) -> Run:
    suppressed = notices = 0
    for match in matches:
        silenced = state.is_silenced(rule.name, match.key, now_us)
        alert = _refreshed(state, rule, match, now_us, suppressed=silenced)
        state.keep_alert(alert)
        if silenced:
            suppressed += 1
            continue
        notices += _announce(state, rule, alert, f"firing:{alert.matches}", now_us)
        state.silence(rule.name, match.key, now_us + rule.realert_us, "realert")
    return Run(rule.name, matches=len(matches), suppressed=suppressed, notices=notices)


def _refreshed(state: AlertState, rule: Rule, match: Match, now_us: int, *, suppressed: bool) -> Alert:
    known = state.firing(rule.name, match.key)
    if known is not None:
        known = replace(known, matches=known.matches + 1, suppressed=known.suppressed + suppressed, seen_us=now_us)
        if suppressed:
            return replace(known, last_us=max(known.last_us, match.time_us))
        subject, body = message.subject(rule, match), message.body(rule, match)
        return replace(known, last_us=match.time_us, document=match.document, subject=subject, body=body)
    identity = position_event_id(rule.name, rule.fingerprint, match.key, match.time_us, now_us)
    return Alert(
        id=identity,
        rule=rule.name,
        key=match.key,
        state="firing",
        since_us=match.time_us,
        last_us=match.time_us,
        seen_us=now_us,
        resolved_us=None,
        matches=1,
        suppressed=int(suppressed),
        subject=message.subject(rule, match),
        body=message.body(rule, match),
        document=match.document,
    )


def _resolve(state: AlertState, rule: Rule, now_us: int) -> int:
    over = [alert for alert in state.alerts(state="firing", limit=10_000) if alert.rule == rule.name and now_us - alert.seen_us >= rule.resolve_after_us]
    for alert in over:
        state.keep_alert(replace(alert, state="resolved", resolved_us=now_us))
        if rule.alert_on_resolve:
            text = message.resolved_body(rule, alert.key, alert.since_us, now_us)
            _announce(state, rule, replace(alert, subject=f"resolved: {alert.subject}", body=text), "resolved", now_us)
    return len(over)


def _announce(state: AlertState, rule: Rule, alert: Alert, kind: str, now_us: int) -> int:
    for number, channel in enumerate(rule.channels):
        state.put_notice(
            Notice(
                id=position_event_id(alert.id, kind, number),
                alert=alert.id,
                rule=rule.name,
                channel=channel.name,
                options=channel.options,
                kind=kind.partition(":")[0],
                subject=alert.subject,
                body=alert.body,
                document=alert.document,
                made_us=now_us,
                state="waiting",
                attempts=0,
                next_us=now_us,
                sent_us=None,
                error="",
            )
        )
    return len(rule.channels)
