"""The file of a user's rules for rows, ``pipeline.yaml``::

    enrich:
      - service: {from: aws.log.group.name, pattern: '^/ecs/(?P<service>[^/]+)'}
      - table: {file: owners.csv, on: service.name}       CSV: the first column is looked up, the others become attributes of their names
    redact: [email, card, aws_key, token, ip, {name: order, pattern: 'o-[0-9a-f]{8}', with: hash}]
    drop:
      - {name: health checks, when: {url.path: /healthz, http.response.status_code: 200}}
    sample:
      - {name: debug, when: {severity_text: DEBUG}, keep: 0.1}
    quotas:
      - {name: chatty, source: 'cloudwatch:/aws/lambda/*', events_per_s: 500, bytes_per_day: 2 GB, beyond: sample, keep: 0.01}

They are applied in this order: quotas (before lines are read), enrich, drop and sample, redact. Hashes need the setting ``hash_key``.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import re2

from collectors.rules.conditions import PREFIX, check_pattern, read_conditions
from collectors.rules.enrich import Enrichment, LookUp, ServiceName
from collectors.rules.quota import Quota, read_quotas
from collectors.rules.redact import IP, PATTERNS, Redaction, Redactor
from collectors.rules.sample import Sampling
from tailrace.errors import FileError, nearest
from tailrace.schema import LOGS
from tailrace.secrets import secret
from tailrace.settings import Settings
from tailrace.yaml_file import Document, read_yaml

MAX_TABLE_ROWS: Final = 1_000_000
_TOP: Final = ("enrich", "redact", "drop", "sample", "quotas")
_FIELDS: Final = frozenset(one.name for one in LOGS.fields)


@dataclass(frozen=True)
class Rules:
    """All rules of a user."""

    enrichment: Enrichment = Enrichment()  # noqa: RUF009 - it is frozen
    redactor: Redactor = Redactor()  # noqa: RUF009 - it is frozen
    sampling: tuple[Sampling, ...] = ()
    quotas: tuple[Quota, ...] = ()


NO_RULES: Final = Rules()


def load_rules(settings: Settings) -> Rules:
    """Read the user's file; there need be none, unless the setting names one. Raises :class:`FileError` with line and column."""
    path = settings.pipeline_path
    if not settings.pipeline and not path.exists():
        return NO_RULES
    return parse_rules(read_yaml(path), path.parent, secret(settings.hash_key, settings))


def parse_rules(document: Document, folder: Path, hash_key: str = "") -> Rules:
    """Make rules of a document; files that it names lie beside it."""
    document.refuse_unknown(_TOP)
    services, tables = list[ServiceName](), list[LookUp]()
    for number, data in enumerate(_list(document, "enrich")):
        one = _enrichment(document, data, folder, "enrich", number)
        services += [one] if isinstance(one, ServiceName) else []
        tables += [one] if isinstance(one, LookUp) else []
    sampling = [_sampling(document, kind, number) for kind in ("drop", "sample") for number in range(len(_list(document, kind)))]
    names = [rule.name for rule in sampling]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise document.error(f"two rules have the name {twice!r}")
    return Rules(Enrichment(tuple(services), tuple(tables)), _redactor(document, hash_key), tuple(sampling), read_quotas(document, _list(document, "quotas")))


def _list(document: Document, key: str) -> list[Any]:
    value = document.data.get(key, [])
    if not isinstance(value, list):
        raise document.error(f"{key} is a list", key)
    return value


def _enrichment(document: Document, data: object, folder: Path, *where: str | int) -> ServiceName | LookUp:
    kinds: Mapping[str, Callable[..., ServiceName | LookUp]] = MappingProxyType({"service": _service, "table": partial(_table, folder=folder)})
    if not isinstance(data, dict) or len(data) != 1:
        raise document.error(f"an enrichment is one of {', '.join(kinds)}", *where)
    document.refuse_unknown(kinds, *where)
    kind, options = next(iter(data.items()))
    if not isinstance(options, dict):
        raise document.error(f"{kind} is a mapping", *where, kind)
    return kinds[kind](document, options, where=(*where, kind))


def _service(document: Document, options: Mapping[str, Any], where: tuple[str | int, ...]) -> ServiceName:
    document.refuse_unknown(("from", "pattern"), *where)
    pattern = check_pattern(document, options.get("pattern"), *where, "pattern")
    if re2.compile(pattern).groupindex.keys() != {"service"}:
        raise document.error("the pattern has one group: (?P<service>...)", *where, "pattern")
    return ServiceName(_field(document, options.get("from", "aws.log.group.name"), *where, "from"), pattern)


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
    return LookUp(_field(document, options.get("on"), *where, "on"), tuple(rows[0][1:]), MappingProxyType({row[0]: tuple(row[1:]) for row in rows[1:]}))


def _field(document: Document, name: object, *where: str | int) -> str:
    if not isinstance(name, str) or (name not in _FIELDS and not name.startswith(PREFIX)):
        raise document.error(f"no such field: {name}{nearest(str(name), _FIELDS)}", *where)
    return name


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
