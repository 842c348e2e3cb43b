"""The file of a user's rules for rows, ``pipeline.yaml``::

    enrich:
      - service: {from: aws.log.group.name, pattern: '^/ecs/(?P<service>[^/]+)'}
      - table: {file: owners.csv, on: service.name}       CSV: the first column is looked up, the others become attributes of their names
      - geoip: {on: [client.address]}                     from the files of the settings geoip_file and asn_file
      - user_agent: {}
    redact: [email, card, aws_key, token, ip, {name: order, pattern: 'o-[0-9a-f]{8}', with: hash}]
    drop:
      - {name: health checks, when: {url.path: /healthz, http.response.status_code: 200}}
    sample:
      - {name: debug, when: {severity_text: DEBUG}, keep: 0.1}
    route:
      - {name: debug, when: {severity_text: DEBUG}, to: cold}
    quotas:
      - {name: chatty, source: 'cloudwatch:/aws/lambda/*', events_per_s: 500, bytes_per_day: 2 GB, beyond: sample, keep: 0.01}
    metrics:
      - {name: orders, namespace: Shop, when: {message: {matches: '^order paid'}}, value: attributes.order.total, unit: EUR, dimensions: [service.name]}

They are applied in this order: quotas (before lines are read), enrich, metrics, drop and sample, route, redact. Hashes need the setting ``hash_key``.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import re2

from collectors.rules.conditions import check_field, check_pattern, read_conditions
from collectors.rules.enrich import Enrichment, LookUp, ServiceName
from collectors.rules.geoip import ADDRESS, GeoIp
from collectors.rules.measure import Measurement, read_measurements
from collectors.rules.quota import Quota, read_quotas
from collectors.rules.redact import IP, PATTERNS, Redaction, Redactor
from collectors.rules.route import Route
from collectors.rules.sample import Sampling
from tailrace.errors import FileError, nearest
from tailrace.secrets import secret
from tailrace.settings import Settings
from tailrace.yaml_file import Document, read_yaml

MAX_TABLE_ROWS: Final = 1_000_000
_TOP: Final = ("enrich", "redact", "drop", "sample", "route", "quotas", "metrics")


@dataclass(frozen=True)
class Rules:
    """All rules of a user."""

    enrichment: Enrichment = Enrichment()  # noqa: RUF009 - it is frozen
    redactor: Redactor = Redactor()  # noqa: RUF009 - it is frozen
    sampling: tuple[Sampling, ...] = ()
    quotas: tuple[Quota, ...] = ()
    routes: tuple[Route, ...] = ()
    measurements: tuple[Measurement, ...] = ()


NO_RULES: Final = Rules()


def load_rules(settings: Settings) -> Rules:
    """Read the user's file; there need be none, unless the setting names one. Raises :class:`FileError` with line and column."""
    path = settings.pipeline_path
    if not settings.pipeline and not path.exists():
        return NO_RULES
    maps = tuple(Path(name) for name in (settings.geoip_file, settings.asn_file) if name)
    return parse_rules(read_yaml(path), path.parent, secret(settings.hash_key, settings), maps)


def parse_rules(document: Document, folder: Path, hash_key: str = "", maps: tuple[Path, ...] = ()) -> Rules:
    """Make rules of a document; files that it names lie beside it, and ``maps`` are those that addresses are looked up in."""
    document.refuse_unknown(_TOP)
    enrichment = Enrichment()
    for number, data in enumerate(_list(document, "enrich")):
        enrichment = _enriched(enrichment, document, data, Beside(folder, maps), "enrich", number)
    sampling = [_sampling(document, kind, number) for kind in ("drop", "sample") for number in range(len(_list(document, kind)))]
    routes = tuple(_route(document, number) for number in range(len(_list(document, "route"))))
    names = [rule.name for rule in sampling] + [rule.name for rule in routes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise document.error(f"two rules have the name {twice!r}")
    quotas = read_quotas(document, _list(document, "quotas"))
    return Rules(enrichment, _redactor(document, hash_key), tuple(sampling), quotas, routes, read_measurements(document))


def _list(document: Document, key: str) -> list[Any]:
    value = document.data.get(key, [])
    if not isinstance(value, list):
        raise document.error(f"{key} is a list", key)
    return value


@dataclass(frozen=True, slots=True)
class Beside:
    """What enrichments are read from beside the file of rules: its folder, and maps of addresses."""

    folder: Path
    maps: tuple[Path, ...]


def _enriched(known: Enrichment, document: Document, data: object, beside: Beside, *where: str | int) -> Enrichment:
    """Answer what was known with one more enrichment."""
    if not isinstance(data, dict) or len(data) != 1:
        raise document.error(f"an enrichment is one of {', '.join(_KINDS)}", *where)
    document.refuse_unknown(_KINDS, *where)
    kind, options = next(iter(data.items()))
    if not isinstance(options, dict):
        raise document.error(f"{kind} is a mapping", *where, kind)
    return _KINDS[kind](known, document, options, beside, (*where, kind))


def _with_service(known: Enrichment, document: Document, options: Mapping[str, Any], beside: Beside, where: tuple[str | int, ...]) -> Enrichment:
    del beside
    return replace(known, services=(*known.services, _service(document, options, where)))


def _with_table(known: Enrichment, document: Document, options: Mapping[str, Any], beside: Beside, where: tuple[str | int, ...]) -> Enrichment:
    return replace(known, look_ups=(*known.look_ups, _table(document, options, where, beside.folder)))


def _with_geoip(known: Enrichment, document: Document, options: Mapping[str, Any], beside: Beside, where: tuple[str | int, ...]) -> Enrichment:
    document.refuse_unknown(("on",), *where)
    on = options.get("on", ["client.address"])
    names = tuple(check_field(document, name, *where, "on") for name in (on if isinstance(on, list) else [on]))
    if wrong := next((name for name in names if not name.endswith(ADDRESS)), None):
        raise document.error(f"{wrong} is no address: its name ends in {ADDRESS}", *where, "on")
    if not beside.maps:
        raise document.error("geoip needs the setting geoip_file, asn_file, or both", *where)
    return replace(known, geoip=GeoIp(*beside.maps), geoip_on=names)


def _with_user_agent(known: Enrichment, document: Document, options: Mapping[str, Any], beside: Beside, where: tuple[str | int, ...]) -> Enrichment:
    del options, beside
    document.refuse_unknown((), *where)
    return replace(known, user_agents=True)


_KINDS: Final[Mapping[str, Callable[..., Enrichment]]] = MappingProxyType(
    {"service": _with_service, "table": _with_table, "geoip": _with_geoip, "user_agent": _with_user_agent}
)


def _service(document: Document, options: Mapping[str, Any], where: tuple[str | int, ...]) -> ServiceName:
    document.refuse_unknown(("from", "pattern"), *where)
    pattern = check_pattern(document, options.get("pattern"), *where, "pattern")
    if re2.compile(pattern).groupindex.keys() != {"service"}:
        raise document.error("the pattern has one group: (?P<service>...)", *where, "pattern")
    return ServiceName(check_field(document, options.get("from", "aws.log.group.name"), *where, "from"), pattern)


def _table(document: Document, options: Mapping[str, Any], where: tuple[str | int, ...], folder: Path) -> LookUp:
    document.refuse_unknown(("file", "on"), *where)
    path = folder / str(options.get("file", ""))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row, _ in zip(csv.reader(file), range(MAX_TABLE_ROWS + 1), strict=False) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise document.error(f"the table {path} cannot be read: {error}", *where, "file") from error
    if len(rows) > MAX_TABLE_ROWS:
        raise document.error(f"the table {path} has more than {MAX_TABLE_ROWS} rows", *where, "file")
    if not rows or len(rows[0]) < 2:
        raise document.error(f"the table {path} needs a first line with the names of at least two columns", *where, "file")
    if bad := next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None):
        raise FileError(f"{len(rows[bad - 1])} values, and {len(rows[0])} columns", path=str(path), line=bad)
    return LookUp(check_field(document, options.get("on"), *where, "on"), tuple(rows[0][1:]), MappingProxyType({row[0]: tuple(row[1:]) for row in rows[1:]}))


def _redactor(document: Document, hash_key: str) -> Redactor:
    wanted = _list(document, "redact")
    rules = tuple(_redaction(document, data, "redact", number) for number, data in enumerate(wanted))
    names = [rule.name for rule in rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise document.error(f"two rules have the name {twice!r}", "redact")
    if not hash_key and any(rule.replacement == "hash" for rule in rules):
        raise document.error("hashes need the setting hash_key", "redact")
    return Redactor(rules, hash_key.encode())


def _redaction(document: Document, data: object, *where: str | int) -> Redaction:
    if isinstance(data, str) and data in PATTERNS:
        return Redaction(data, PATTERNS[data])
    if not isinstance(data, dict):
        raise document.error(f"nothing that can be redacted: {data}{nearest(str(data), PATTERNS)}", *where)
    document.refuse_unknown(("name", "pattern", "with"), *where)
    name, replacement = str(data.get("name", "")), str(data.get("with", ""))
    if not name:
        raise document.error("a redaction needs a name", *where)
    if name == IP and (replacement or "pattern" in data):
        raise document.error("addresses are cut to their networks: write ip alone", *where)
    pattern = PATTERNS[name] if "pattern" not in data and name in PATTERNS else check_pattern(document, data.get("pattern"), *where, "pattern")
    if re2.search(pattern, ""):
        raise document.error("the pattern matches an empty text", *where, "pattern")
    return Redaction(name, pattern, replacement)


def _sampling(document: Document, kind: str, number: int) -> Sampling:
    data = document.at(kind, number)
    if not isinstance(data, dict) or not data.get("name"):
        raise document.error("a rule needs a name and conditions", kind, number)
    document.refuse_unknown(("name", "when", "keep") if kind == "sample" else ("name", "when"), kind, number)
    keep = data.get("keep", 0.0)
    if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 <= keep < 1:
        raise document.error("keep is a part from 0 to below 1", kind, number, "keep")
    return Sampling(f"{kind}:{data['name']}", read_conditions(document, data.get("when"), kind, number, "when"), float(keep))


def _route(document: Document, number: int) -> Route:
    data = document.at("route", number)
    if not isinstance(data, dict) or not data.get("name"):
        raise document.error("a rule needs a name and conditions", "route", number)
    document.refuse_unknown(("name", "when", "to"), "route", number)
    to = data.get("to")
    if to not in {"hot", "cold", "both"}:
        raise document.error("to is hot, cold or both", "route", number, "to")
    return Route(f"route:{data['name']}", read_conditions(document, data.get("when"), "route", number, "when"), None if to == "both" else to)
