"""What a rule is, once its file has been read: frozen values, every time a number of microseconds or seconds.

The vocabulary is ElastAlert 2's (https://elastalert2.readthedocs.io/en/latest/ruletypes.html); what is ours on top is marked so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from queries.targets import Target

TextType = Literal["default", "exclude_fields", "alert_text_only"]


@dataclass(frozen=True, slots=True)
class AnyType:
    """``type: any``: every hit is a match."""


@dataclass(frozen=True, slots=True)
class FrequencyType:
    """``type: frequency``: at least ``num_events`` hits of one key within ``timeframe_us``.

    Hits that are exactly a timeframe apart do not count together, as in ElastAlert.
    """

    num_events: int
    timeframe_us: int


RuleType = AnyType | FrequencyType


@dataclass(frozen=True, slots=True)
class AlertText:
    """How an alert reads: ``{}``, ``{0}`` take ``args``, ``{name}`` takes ``kw``; both name fields of the match."""

    subject: str = ""
    subject_args: tuple[str, ...] = ()
    text: str = ""
    text_args: tuple[str, ...] = ()
    text_kw: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    text_type: TextType = "default"
    missing_value: str = "<MISSING VALUE>"


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """One entry of ``alert``: which channel, and its options, nested ones over those of the rule."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule file."""

    name: str
    path: str
    target: Target
    type: RuleType
    filters: tuple[Mapping[str, Any], ...]
    channels: tuple[ChannelOptions, ...]
    text: AlertText
    query_key: tuple[str, ...] = ()
    realert_us: int = 60_000_000
    buffer_us: int = 900_000_000
    resolve_after_us: int = 300_000_000
    alert_on_resolve: bool = False
    is_enabled: bool = True
    description: str = ""
    owner: str = ""
    priority: int = 2
    category: str = ""

    @property
    def fingerprint(self) -> str:
        """What the stored windows belong to: another type or filter starts with empty ones."""
        return repr((self.target, self.type, self.filters, self.query_key))


@dataclass(frozen=True, slots=True)
class Hit:
    """One row that a rule's query found; ``document`` is its ``_source``."""

    event_id: str
    time_us: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule has found something: for which key, when, how many events, and the event that stands for them."""

    key: str
    time_us: int
    count: int
    document: Mapping[str, Any]
