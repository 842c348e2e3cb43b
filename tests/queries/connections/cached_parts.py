"""Parts in a store that counts, and a process that uses the cache beside others."""

from pathlib import Path

from queries.connections.part_cache import PartCache
from tailrace.lake import Part, Partition


def part(number: int, size: int = 100) -> Part:
    return Part("logs", Partition("2026-11-24", "10"), f"logs/day=2026-11-24/hour=10/f-{number}.parquet", size)


def content(number: int, size: int = 100) -> bytes:
    return f"{number:04}".encode() * (size // 4)


class Objects:
    """Parts by their number, and what was fetched."""

    def __init__(self, count: int, size: int = 100) -> None:
        self.objects = {part(number).key: content(number, size) for number in range(count)}
        self.gets: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.gets.append(key)
        return self.objects.get(key)


def use(folder: Path, seed: int) -> None:
    """Ask for parts in some order, as a process beside others does; what another one pushed out is asked for again."""
    cache = PartCache(Objects(20), folder, max_bytes=500)
    for step in range(150):
        numbers = sorted({(seed * 7 + step * 3) % 20, (seed + step) % 20})
        try:
            found = [path.read_bytes() for path in cache.paths_of([part(number) for number in numbers])]
        except FileNotFoundError:
            continue
        assert found == [content(number) for number in numbers]
