"""``type: any``: every hit is a match."""

from collections.abc import Iterable

from alerts.rule import Hit, Match


def step(key: str, hits: Iterable[Hit]) -> list[Match]:
    """Answer a match for every hit of one key."""
    return [Match(key, hit.time_us, 1, hit.document) for hit in hits]
