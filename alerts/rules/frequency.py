"""``type: frequency``: at least so many hits of one key within a timeframe.

What it remembers of a key is the window: the times of its hits, ascending, with the id and the document of the newest. After each hit the oldest are forgotten
while the newest and the oldest are a timeframe or more apart (a half-open window, as in ElastAlert 2.31); with enough left, the newest hit is the match and the window starts
empty, so that 2N hits are two matches. A hit that comes late is put in its place; one that is older than the window forgets itself.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.rule import FrequencyType, Hit, Match


@dataclass(slots=True)
class Window:
    """The hits of one key that count together."""

    times: list[int] = field(default_factory=list)
    newest: Hit | None = None

    def add(self, hit: Hit) -> None:
        """Put a hit in its place."""
        insort(self.times, hit.time_us)
        if self.newest is None or hit.time_us >= self.newest.time_us:
            self.newest = hit

    def forget_before(self, timeframe_us: int) -> None:
        """Forget the oldest hits while the newest is a timeframe or more away."""
        last = self.times[-1]
        keep = next(number for number, time_us in enumerate(self.times) if last - time_us < timeframe_us)
        del self.times[:keep]

    def clear(self) -> None:
        """Start empty."""
        self.times.clear()
        self.newest = None


def step(options: FrequencyType, key: str, window: Window, hits: Iterable[Hit]) -> list[Match]:
    """Feed the hits of one key, in the order they came, to its window (which is changed); answer the matches."""
    matches = []
    for hit in hits:
        window.add(hit)
        window.forget_before(options.timeframe_us)
        if len(window.times) >= options.num_events and window.newest is not None:
            matches.append(Match(key, window.newest.time_us, len(window.times), window.newest.document))
            window.clear()
    return matches


def is_over(options: FrequencyType, window: Window, now_us: int) -> bool:
    """Whether a window holds nothing that can still count: ElastAlert's garbage collection."""
    return not window.times or now_us - window.times[-1] > options.timeframe_us
