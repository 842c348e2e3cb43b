"""Sampling rules and targets, answered as X-Ray answers them (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sampling.html).

One rule is there by default: everything, at the rate given. A file may hold rules of one's own, as ``GetSamplingRules`` prints them. SDKs fetch the rules every five minutes
and tell every ten seconds what they sampled; the answer gives each client its part of a rule's reservoir.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tailrace.clock import US_PER_S, Clock
from tailrace.errors import FileError, SettingError
from tailrace.settings import Settings

DEFAULT_RULE: Final = "Default"
INTERVAL_S: Final = 10
"""Seconds after which an SDK asks for targets again."""

QUOTA_LASTS_S: Final = 60
CLIENT_COUNTS_S: Final = 30
MAX_CLIENTS: Final = 1_000


class SamplingRule(msgspec.Struct, rename="pascal", frozen=True, kw_only=True):
    """One rule, with the members and limits of X-Ray's model."""

    rule_name: str
    fixed_rate: float = 1.0
    priority: int = 10_000
    reservoir_size: int = 1
    service_name: str = "*"
    service_type: str = "*"
    host: str = "*"
    http_method: str = msgspec.field(name="HTTPMethod", default="*")
    url_path: str = msgspec.field(name="URLPath", default="*")
    resource_arn: str = msgspec.field(name="ResourceARN", default="*")
    version: int = 1
    attributes: dict[str, str] = {}


class _Record(msgspec.Struct, rename="pascal"):
    sampling_rule: SamplingRule


class _File(msgspec.Struct, rename="pascal"):
    sampling_rule_records: list[_Record]


class _Statistics(msgspec.Struct, rename="pascal"):
    rule_name: str
    client_id: str = msgspec.field(name="ClientID", default="")


class _TargetsRequest(msgspec.Struct, rename="pascal"):
    sampling_statistics_documents: list[_Statistics]


def read_rules(path: Path) -> tuple[SamplingRule, ...]:
    """Read rules from a file as ``aws xray get-sampling-rules`` prints it; raises :class:`FileError` for what is wrong in it."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"cannot be read as sampling rules: {error}", path=str(path)) from error
    rules = tuple(record.sampling_rule for record in found.sampling_rule_records)
    for rule in rules:
        if not 0 <= rule.fixed_rate <= 1 or rule.reservoir_size < 0 or not 0 < len(rule.rule_name) <= 32:
            raise FileError(f"rule {rule.rule_name!r}: FixedRate is 0 to 1, ReservoirSize 0 or more, RuleName 1 to 32 characters", path=str(path))
    if len({rule.rule_name for rule in rules}) < len(rules):
        raise FileError("two rules have the same name", path=str(path))
    return rules


def sampling_from_settings(settings: Settings, clock: Clock) -> "Sampling":
    """Make the sampling that the settings ask for."""
    if not 0 <= settings.xray_sampling_rate <= 1:
        raise SettingError(f"xray_sampling_rate = {settings.xray_sampling_rate}: it is 0 to 1")
    rules = read_rules(Path(settings.xray_sampling_rules)) if settings.xray_sampling_rules else ()
    return Sampling(clock, rules, settings.xray_sampling_rate)


class Sampling:
    """The rules, and which clients ask for targets."""

    def __init__(self, clock: Clock, rules: Sequence[SamplingRule] = (), default_rate: float = 1.0) -> None:
        default = () if any(rule.rule_name == DEFAULT_RULE for rule in rules) else (SamplingRule(rule_name=DEFAULT_RULE, fixed_rate=default_rate),)
        self._rules = {rule.rule_name: rule for rule in (*rules, *default)}
        self._clock = clock
        self._made_s = clock.now_us() // US_PER_S
        self._clients: dict[tuple[str, str], int] = {}

    def rules_answer(self) -> Mapping[str, Any]:
        """Answer ``GetSamplingRules``."""
        times = {"CreatedAt": float(self._made_s), "ModifiedAt": float(self._made_s)}
        ordered = sorted(self._rules.values(), key=lambda rule: (rule.priority, rule.rule_name))
        return {"NextToken": None, "SamplingRuleRecords": [times | {"SamplingRule": _with_arn(rule)} for rule in ordered]}

    def targets_answer(self, body: bytes) -> Mapping[str, Any]:
        """Answer ``GetSamplingTargets``; raises :class:`msgspec.MsgspecError` for a body that is none."""
        asked = msgspec.json.decode(body, type=_TargetsRequest).sampling_statistics_documents
        now_s = self._clock.now_us() // US_PER_S
        self._clients = {key: seen_s for key, seen_s in self._clients.items() if now_s - seen_s < CLIENT_COUNTS_S}
        for one in asked[:MAX_CLIENTS]:
            self._clients[one.rule_name, one.client_id] = now_s
        return {
            "SamplingTargetDocuments": [self._target(one.rule_name, now_s) for one in asked if one.rule_name in self._rules],
            "LastRuleModification": float(self._made_s),
            "UnprocessedStatistics": [
                {"RuleName": one.rule_name, "ErrorCode": "400", "Message": "Unknown rule"} for one in asked if one.rule_name not in self._rules
            ],
        }

    def _target(self, name: str, now_s: int) -> Mapping[str, Any]:
        rule = self._rules[name]
        clients = sum(of_rule == name for of_rule, _ in self._clients)
        return {
            "RuleName": name,
            "FixedRate": rule.fixed_rate,
            "ReservoirQuota": -(-rule.reservoir_size // max(clients, 1)),
            "ReservoirQuotaTTL": float(now_s + QUOTA_LASTS_S),
            "Interval": INTERVAL_S,
        }


def _with_arn(rule: SamplingRule) -> Mapping[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(rule)
    return {**members, "RuleARN": f"arn:aws:xray:local:000000000000:sampling-rule/{rule.rule_name}"}
