"""Which metrics are pulled from CloudWatch: a YAML file of the user's.

::

    every: 60            seconds between two pulls
    delay: 180           seconds after which CloudWatch's points of a period are taken for complete
    since: 3600          seconds that the first pull goes back
    metrics:
      - {namespace: AWS/Lambda, name: Errors, dimensions: {FunctionName: pay}}
      - {namespace: AWS/EC2, name: CPUUtilization, dimensions: {InstanceId: '*'}, period: 300, percentiles: [p50, p99]}

``'*'`` stands for every value that CloudWatch lists.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tailrace.errors import nearest
from tailrace.yaml_file import Document, read_yaml

ANY: Final = "*"
MAX_DIMENSIONS: Final = 30
MAX_PERCENTILES: Final = 20
PERIODS: Final = (1, 5, 10, 20, 30)
"""Seconds below a minute that a period may have (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricStat.html); all others are whole minutes."""

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(\.\d{1,10})?|100)")
_TOP: Final = ("every", "delay", "since", "metrics")
_OPTIONS: Final = ("namespace", "name", "dimensions", "period", "percentiles")


@dataclass(frozen=True, slots=True)
class Chosen:
    """One metric, or all whose dimensions are of these names where a value is ``*``."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    period_s: int = 60
    percentiles: tuple[str, ...] = ()

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for many metrics."""
        return any(value == ANY for _, value in self.dimensions)

    @property
    def key(self) -> str:
        """What tells it from all others, with its period: the name of its cursor."""
        return json.dumps([self.namespace, self.name, sorted(self.dimensions), self.period_s])


@dataclass(frozen=True, slots=True)
class Choice:
    """What a file says."""

    metrics: tuple[Chosen, ...]
    every_s: float = 60.0
    delay_s: int = 180
    since_s: int = 3_600


def load_choice(path: Path) -> Choice:
    """Read a file; raises :class:`tailrace.errors.FileError` with line and column."""
    return parse_choice(read_yaml(path))


def parse_choice(document: Document) -> Choice:
    """Read a document."""
    document.refuse_unknown(_TOP)
    wanted = document.data.get("metrics")
    if not isinstance(wanted, list) or not wanted:
        raise document.error("metrics is a list of at least one", "metrics")
    metrics = tuple(_chosen(document, data, "metrics", number) for number, data in enumerate(wanted))
    keys = [one.key for one in metrics]
    if twice := next((number for number, key in enumerate(keys) if key in keys[:number]), None):
        raise document.error("this metric is there twice", "metrics", twice)
    every, delay, since = (_seconds(document, document.data, name, default, name) for name, default in (("every", 60), ("delay", 180), ("since", 3_600)))
    return Choice(metrics, float(max(every, 1)), delay, since)


def _chosen(document: Document, data: Any, *where: str | int) -> Chosen:  # noqa: ANN401 - plain data of any shape
    if not isinstance(data, dict) or not data.get("namespace") or not data.get("name"):
        raise document.error("a metric needs a namespace and a name", *where)
    document.refuse_unknown(_OPTIONS, *where)
    dimensions = data.get("dimensions", {})
    if (
        not isinstance(dimensions, dict)
        or len(dimensions) > MAX_DIMENSIONS
        or not all(isinstance(value, str | int) and str(value) for value in dimensions.values())
    ):
        raise document.error(f"dimensions are a mapping of names to values or '*', at most {MAX_DIMENSIONS}", *where, "dimensions")
    period = _seconds(document, data, "period", 60, *where, "period")
    if period not in PERIODS and (period < 60 or period % 60):
        raise document.error("a period is 1, 5, 10, 20 or 30 seconds, or whole minutes", *where, "period")
    pairs = tuple(sorted((str(name), str(value)) for name, value in dimensions.items()))
    return Chosen(str(data["namespace"]), str(data["name"]), pairs, period, _percentiles(document, data, *where, "percentiles"))


def _percentiles(document: Document, data: Mapping[str, Any], *where: str | int) -> tuple[str, ...]:
    found = data.get("percentiles", [])
    if not isinstance(found, list) or len(found) > MAX_PERCENTILES:
        raise document.error(f"percentiles are a list of p50, p99.9 and the like, at most {MAX_PERCENTILES}", *where)
    for one in found:
        if not isinstance(one, str) or not _PERCENTILE.fullmatch(one):
            raise document.error(
                f"no percentile: {one}{nearest(str(one), ('p50', 'p90', 'p99'))}; minimum, maximum, sum and count are there without asking", *where
            )
    return tuple(dict.fromkeys(found))


def _seconds(document: Document, data: Mapping[str, Any], name: str, default: int, *where: str | int) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 40_000_000:
        raise document.error(f"{name} is a whole number of seconds", *where)
    return value
