"""Where addresses are, and whose: from files in MaxMind's format that the user gives (https://maxmind.github.io/MaxMind-DB/), each different address of a batch looked up once.

Attributes are named after ECS (https://www.elastic.co/docs/reference/ecs/ecs-geo, -as): ``client.geo.country_iso_code``, ``client.geo.city_name``, ``client.geo.location`` (latitude and longitude with a
comma between), ``client.as.number``, ``client.as.organization.name``. A file that is replaced is read anew; where the new one cannot be read, the old one goes on.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import maxminddb
import pyarrow as pa

from collectors.arrays import AnyArray
from tailrace.errors import SettingError
from tailrace.schema import FieldType

REMEMBERED: Final = 65_536
ADDRESS: Final = ".address"
PARTS: Final[Mapping[str, FieldType]] = {
    "geo.country_iso_code": FieldType.KEYWORD,
    "geo.city_name": FieldType.KEYWORD,
    "geo.location": FieldType.KEYWORD,
    "as.number": FieldType.LONG,
    "as.organization.name": FieldType.KEYWORD,
}
_NOTHING: Final[tuple[None, ...]] = (None,) * len(PARTS)
_log = logging.getLogger(__name__)

Found = tuple[str | int | None, ...]


class GeoIp:
    """Looks addresses up in one or two files; shared by threads."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._stamps = [_stamp(path) for path in paths]
        self._files = [_opened(path) for path in paths]
        self._find = lru_cache(REMEMBERED)(self._look_up)

    def parts(self, addresses: AnyArray) -> dict[str, AnyArray]:
        """Answer a column for each of :data:`PARTS`; null where an address is null or not known."""
        self._refresh()
        coded = addresses.dictionary_encode()
        found = [self._find(address) for address in coded.dictionary.to_pylist()]
        columns = list(zip(*found, strict=True)) if found else [()] * len(PARTS)
        return {name: _column(values, kind).take(coded.indices) for (name, kind), values in zip(PARTS.items(), columns, strict=True)}

    def _look_up(self, address: str) -> Found:
        record: dict[str, Any] = {}
        for file in self._files:
            try:
                found = file.get(address)
            except (ValueError, maxminddb.InvalidDatabaseError):  # no address, one of version 6 in a file of version 4, or a damaged file
                continue
            record |= found if isinstance(found, dict) else {}
        return _parts(record) if record else _NOTHING

    def _refresh(self) -> None:
        stamps = [_stamp(path) for path in self._paths]
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._files = [_opened(path) for path in self._paths]
        except SettingError as error:
            _log.warning("%s; the one that was read before is used on", error)
            return
        self._find.cache_clear()


def _parts(record: Mapping[str, Any]) -> Found:
    """Take what is named of a record: GeoLite2's and GeoIP2's City, Country and ASN, and those who lay theirs out alike (DB-IP)."""
    country, city, place = (_mapping(record, name) for name in ("country", "city", "location"))
    latitude, longitude = place.get("latitude"), place.get("longitude")
    located = isinstance(latitude, int | float) and isinstance(longitude, int | float)
    number, name = record.get("autonomous_system_number"), record.get("autonomous_system_organization")
    return (
        _text(country.get("iso_code")),
        _text(_mapping(city, "names").get("en")),
        f"{latitude},{longitude}" if located else None,
        number if isinstance(number, int) else None,
        _text(name),
    )


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _column(values: Any, kind: FieldType) -> AnyArray:  # noqa: ANN401 - a column of a table of tuples
    return pa.array(values, pa.int64()) if kind is FieldType.LONG else pa.array(values, pa.string())


def _opened(path: Path) -> Any:  # noqa: ANN401 - the reader's class depends on whether its extension could be built
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
        raise SettingError(f"{path} is no file of MaxMind's format that can be read: {error}") from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
