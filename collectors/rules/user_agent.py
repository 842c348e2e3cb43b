"""What a User-Agent header tells: ``user_agent.name``, ``user_agent.version``, ``user_agent.os.name``, ``user_agent.device.name`` (https://opentelemetry.io/docs/specs/semconv/registry/attributes/user-agent/).

The expressions are uap-core's, chosen among by RE2; what is beyond :data:`MAX_CHARS` of a header is not looked at, because the one that was chosen is run by Python to cut out the version.
Each different header of a batch is read once.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa

from collectors.arrays import AnyArray
from tailrace.schema import FieldType

MAX_CHARS: Final = 512
REMEMBERED: Final = 16_384
NAMES: Final = ("user_agent.name", "user_agent.version", "user_agent.os.name", "user_agent.device.name")
TYPES: Final[Mapping[str, FieldType]] = dict.fromkeys(NAMES, FieldType.KEYWORD)
OTHER: Final = "Other"


def parts(headers: AnyArray) -> dict[str, AnyArray]:
    """Answer a column for each of :data:`NAMES`; null where a header is null or does not tell."""
    coded = headers.dictionary_encode()
    found = [_read(str(header)[:MAX_CHARS]) for header in coded.dictionary.to_pylist()]
    columns = zip(*found, strict=True) if found else [()] * len(NAMES)
    return {name: pa.array(values, pa.string()).take(coded.indices) for name, values in zip(NAMES, columns, strict=True)}


@lru_cache(REMEMBERED)
def _read(header: str) -> tuple[str | None, ...]:
    found = _parser().parse(header)
    agent, system, device = found.user_agent, found.os, found.device
    version = ".".join(part for part in (agent.major, agent.minor, agent.patch) if part) if agent else ""
    return _name(agent), version or None, _name(system), _name(device)


def _name(part: Any) -> str | None:  # noqa: ANN401 - three classes of the parser with a family
    return part.family if part and part.family and part.family != OTHER else None


@lru_cache(1)
def _parser() -> Any:  # noqa: ANN401 - a parser of a package without types for this resolver
    from ua_parser import Parser, Re2Resolver, load_lazy_builtins  # its expressions take 0.3 s to be compiled

    assert Re2Resolver is not None
    return Parser(Re2Resolver(load_lazy_builtins()))
