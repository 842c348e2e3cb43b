"""Columns that become several fields: an address with a port, a request line, a URL."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.format_file import Column

_ADDRESS_PORT: Final = r"^(?P<address>.*?)(?::(?P<port>[0-9]{1,5}))?$"
_REQUEST: Final = r"^(?P<method>[A-Za-z_-]{1,20}) (?P<url>.*?)(?: (?P<protocol>[A-Za-z]+/[0-9.]+|-))?\s*$"
_URL: Final = r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*://(?P<domain>\[[^\]]*\]|[^/:?#]*)(?::(?P<port>[0-9]*|-))?)?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?"

Split = Callable[[Column, AnyArray], Mapping[str, AnyArray]]


def address_port(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """``10.0.0.1:80`` and ``[::1]:80`` become the column's field and its ``port`` field."""
    found = pc.extract_regex(texts, _ADDRESS_PORT)
    address = pc.utf8_trim(pc.struct_field(found, "address"), "[]")
    return (
        {column.field: _none_if_empty(address), column.port: _none_if_empty(pc.struct_field(found, "port"))}
        if column.port
        else {column.field: _none_if_empty(address)}
    )


def request(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """``GET http://shop.example:80/cart?id=1 HTTP/1.1`` becomes method and URL; what is no request line is kept as the URL."""
    found = pc.extract_regex(texts, _REQUEST)
    method = pc.struct_field(found, "method")
    method = pc.if_else(pc.equal(method, "-"), None, method)
    target = pc.coalesce(pc.struct_field(found, "url"), texts)
    return {"http.request.method": method, **url(column, target)}


def url(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """A URL becomes itself and its domain, path and query."""
    del column
    found = pc.extract_regex(texts, _URL)
    parts = {name: _none_if_empty(pc.struct_field(found, part)) for name, part in (("url.domain", "domain"), ("url.path", "path"), ("url.query", "query"))}
    return {"url.full": texts, **parts}


def _none_if_empty(texts: AnyArray) -> AnyArray:
    return pc.if_else(pc.equal(texts, ""), None, texts)


SPLITS: Final[Mapping[str, Split]] = MappingProxyType({"address_port": address_port, "request": request, "url": url})
