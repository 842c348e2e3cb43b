"""What AWS charges, from the dated table ``prices.yaml``; a Region that is not in it has the prices of us-east-1, and says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from tailrace.errors import UsageError, nearest
from tailrace.yaml_file import Document, parse_yaml

FALLBACK: Final = "us-east-1"
FILE: Final = "prices.yaml"
GIVEN: Final = "--assume"
"""The source of a price that the user gave."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price in US dollars a unit; ``seen`` is where the number was read, ``region`` whose price it is."""

    name: str
    usd: float
    unit: str
    about: str
    source: str
    seen: str
    verified: bool
    region: str
    read: str


def prices(region: str, given: Mapping[str, float] = MappingProxyType({})) -> Mapping[str, Price]:
    """Answer the prices of a Region by name; ``given`` are those that the user knows better."""
    document = _table()
    for name in given:
        if name not in document.at("prices"):
            raise UsageError(f"no such price: {name}{nearest(name, document.at('prices'))}")
    return {name: _price(document, name, region, given.get(name)) for name in document.at("prices")}


@cache
def _table() -> Document:
    return parse_yaml(files(__package__).joinpath(FILE).read_bytes(), FILE)


def _price(document: Document, name: str, region: str, given: float | None) -> Price:
    row = document.at("prices", name)
    known = row["regions"].get(region)
    found = known or row["regions"][FALLBACK]
    usd = float(found["price"]) if given is None else given
    seen, verified = (found.get("seen", ""), bool(found["verified"])) if given is None else (GIVEN, True)
    return Price(name, usd, row["unit"], row["about"], row["source"], seen, verified, region if known or given is not None else FALLBACK, document.at("read"))


def price_notes(found: Mapping[str, Price], region: str) -> list[str]:
    """Say what is to be known of the prices of a Region: their date, whose they are, which were not verified."""
    used = list(found.values())
    notes = [f"prices of {used[0].read}, US dollars, first tier, without the free tier and taxes"]
    if any(price.region != region for price in used):
        notes.append(f"prices of {region} are not in the table: those of {FALLBACK} were taken")
    doubtful = [price.name for price in used if not price.verified]
    return [*notes, f"not verified in a public document: {', '.join(doubtful)}"] if doubtful else notes
