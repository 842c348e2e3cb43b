"""Rule files: YAML of ElastAlert's vocabulary becomes a :class:`alerts.rule.Rule`, or one error with file, line and the nearest right name."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from alerts.durations import read_duration
from alerts.filters import check_filters, read_filters
from alerts.options import (
    BY_TYPE,
    CHANNEL_NAMES,
    CHANNEL_OPTIONS,
    COMMON,
    DURATION,
    FLAG,
    LIST,
    MAPPING,
    NOT_YET,
    NOT_YET_TYPES,
    NUMBER,
    REQUIRED,
    TEXT,
    TEXT_OR_LIST,
    WHOLE,
)
from alerts.rule import AlertText, AnyType, ChannelOptions, FrequencyType, Rule, RuleType, TextType
from queries.targets import resolve
from tailrace.errors import FileError, RequestError, nearest
from tailrace.yaml_file import Document, read_yaml

SUFFIXES: Final = frozenset({".yaml", ".yml"})
MAX_NAME_CHARS: Final = 200
MAX_EVENTS: Final = 1_000_000

_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        TEXT: lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
        NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
        FLAG: lambda value: isinstance(value, bool),
        LIST: lambda value: isinstance(value, list),
        MAPPING: lambda value: isinstance(value, dict),
        TEXT_OR_LIST: lambda value: isinstance(value, str) or (isinstance(value, list) and len(value) > 0),
        DURATION: lambda value: isinstance(value, dict),
    }
)


def read_rules(folder: Path) -> list[Rule]:
    """Read all rule files below a folder, by path; two rules of one name are an error. A folder that is not there holds none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.name.startswith("."))
    rules = [read_rule(path) for path in paths]
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.name in seen:
            raise FileError(f"the rule name {rule.name!r} is already that of {seen[rule.name]}", path=rule.path)
        seen[rule.name] = rule.path
    return rules


def read_rule(path: Path) -> Rule:
    """Read one rule file; raises :class:`FileError`."""
    return parse_rule(read_yaml(path))


def parse_rule(document: Document) -> Rule:
    """Make a rule of a document that was read."""
    kind = _type_name(document)
    channels = _channel_names(document)
    _check_options(document, kind, {name for name, _ in channels})
    name = _text(document, "name", Path(document.path).stem)
    if len(name) > MAX_NAME_CHARS:
        raise document.error(f"a name has at most {MAX_NAME_CHARS} characters", "name")
    filters = read_filters(document)
    rule_type = _TYPES[kind](document)
    realert = _duration(document, "realert", 60_000_000)
    rule = Rule(
        name=name,
        path=document.path,
        target=_target(document),
        type=rule_type,
        filters=filters,
        channels=tuple(_channel(document, *channel) for channel in channels),
        text=_alert_text(document),
        query_key=_texts(document, "query_key"),
        realert_us=realert,
        buffer_us=max(_duration(document, "buffer_time", 900_000_000), _window_us(rule_type)),
        resolve_after_us=_duration(document, "resolve_after", max(_window_us(rule_type), realert, 60_000_000)),
        alert_on_resolve=bool(document.data.get("alert_on_resolve", False)),
        is_enabled=bool(document.data.get("is_enabled", True)),
        description=_text(document, "description", ""),
        owner=_text(document, "owner", ""),
        priority=int(document.data.get("priority", 2)),
        category=_text(document, "category", ""),
    )
    check_filters(document, rule.filters, rule.target.table)
    return rule


def _type_name(document: Document) -> str:
    kind = document.data.get("type")
    if kind is None:
        raise document.error(f"the option `type` is missing: one of {', '.join(BY_TYPE)}")
    if kind in NOT_YET_TYPES:
        raise document.error(f"the rule type {kind} is not supported yet: {', '.join(BY_TYPE)} are", "type")
    if kind not in BY_TYPE:
        raise document.error(f"no such rule type: {kind}{nearest(str(kind), (*BY_TYPE, *NOT_YET_TYPES))}", "type")
    return str(kind)


def _channel_names(document: Document) -> list[tuple[str, dict[str, Any]]]:
    """Read ``alert``: a name, a list of names, or names with nested options (``- email: {email: a@b}``)."""
    value = document.data.get("alert")
    if value is None:
        raise document.error(f"the option `alert` is missing: one or more of {', '.join(CHANNEL_NAMES)}")
    entries = value if isinstance(value, list) else [value]
    pairs = [pair for entry in entries for pair in (entry.items() if isinstance(entry, dict) else [(entry, {})])]
    return [(_channel_name(document, name), options if isinstance(options, dict) else {}) for name, options in pairs]


def _channel_name(document: Document, name: object) -> str:
    if name not in CHANNEL_NAMES:
        raise document.error(f"no such channel: {name}{nearest(str(name), CHANNEL_NAMES)}", "alert")
    return CHANNEL_NAMES[str(name)]


def _check_options(document: Document, kind: str, channels: Iterable[str]) -> None:
    del channels
    known = dict(COMMON) | dict(BY_TYPE[kind]) | {key: kind_ for table in CHANNEL_OPTIONS.values() for key, kind_ in table.items()}
    for key, value in document.data.items():
        if key in NOT_YET:
            raise document.error(f"the option {key} is not supported yet", key)
        if key not in known:
            others = {option for options in BY_TYPE.values() for option in options}
            hint = f" (it is of another rule type than {kind})" if key in others else nearest(key, known)
            raise document.error(f"no such option: {key}{hint}", key)
        _check_type(document, value, known[key], key)


def _check_type(document: Document, value: object, expected: str, *where: str) -> None:
    if not _CHECKS[expected](value):
        raise document.error(f"{where[-1]} must be a {expected}", *where)


def _channel(document: Document, name: str, nested: dict[str, Any]) -> ChannelOptions:
    known = CHANNEL_OPTIONS[name]
    for key, value in nested.items():
        if key not in known:
            raise document.error(f"no such option of {name}: {key}{nearest(key, known)}", "alert")
        _check_type(document, value, known[key], key)
    options = {key: document.data[key] for key in known if key in document.data} | nested
    required = REQUIRED.get(name)
    if required and not options.get(required):
        raise document.error(f"the channel {name} needs the option {required}", "alert")
    return ChannelOptions(name, MappingProxyType(options))


def _target(document: Document) -> Any:  # noqa: ANN401 - queries.targets.Target
    try:
        return resolve(_text(document, "index", "logs*"))
    except RequestError as error:
        raise document.error(str(error), "index") from error


def _alert_text(document: Document) -> AlertText:
    text_type = _text(document, "alert_text_type", "default")
    if text_type not in get_args(TextType):
        raise document.error(f"no such alert_text_type: {text_type}{nearest(text_type, get_args(TextType))}", "alert_text_type")
    return AlertText(
        subject=_text(document, "alert_subject", ""),
        subject_args=_texts(document, "alert_subject_args"),
        text=_text(document, "alert_text", ""),
        text_args=_texts(document, "alert_text_args"),
        text_kw=MappingProxyType({str(key): str(value) for key, value in document.data.get("alert_text_kw", {}).items()}),
        text_type=cast("TextType", text_type),
        missing_value=_text(document, "alert_missing_value", "<MISSING VALUE>"),
    )


def _any(document: Document) -> AnyType:
    del document
    return AnyType()


def _frequency(document: Document) -> FrequencyType:
    for option in ("num_events", "timeframe"):
        if option not in document.data:
            raise document.error(f"the rule type frequency needs the option {option}")
    num_events = document.data["num_events"]
    if not 1 <= num_events <= MAX_EVENTS:
        raise document.error(f"num_events is between 1 and {MAX_EVENTS}", "num_events")
    timeframe = read_duration(document, "timeframe")
    if not timeframe:
        raise document.error("the timeframe is empty", "timeframe")
    return FrequencyType(num_events, timeframe)


_TYPES: Final[Mapping[str, Callable[[Document], RuleType]]] = MappingProxyType({"any": _any, "frequency": _frequency})


def _window_us(rule_type: RuleType) -> int:
    return rule_type.timeframe_us if isinstance(rule_type, FrequencyType) else 0


def _duration(document: Document, name: str, default: int) -> int:
    return read_duration(document, name) if name in document.data else default


def _text(document: Document, name: str, default: str) -> str:
    return str(document.data.get(name, default))


def _texts(document: Document, name: str) -> tuple[str, ...]:
    value = document.data.get(name, [])
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)
