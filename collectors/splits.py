"""Columns that become several: an address or a host's name, an address with a port, a request line, a URL.

Each is cut at its signs where it is of the usual form (``collectors.pieces``), else taken apart by strict patterns that RE2 can run in one pass, and what those do not match by a tolerant one, several times slower.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, Mask
from collectors.columns import to_ip
from collectors.format import Column
from collectors.pieces import address_parts, request_parts, url_parts

ADDRESS_PORT: Final = (r"^(?P<address>[0-9.]+):(?P<port>[0-9]+)$", r"^(?P<address>.*?)(?::(?P<port>[0-9]{1,5}))?$")
REQUEST: Final = (
    r"^(?P<method>[A-Z]+) (?P<url>[^ ]+) (?:[A-Z]+/[0-9.]+)$",
    r"^(?P<method>[A-Za-z_-]{1,20}) (?P<url>(?s:.*?))(?: (?:[A-Za-z]+/[0-9.]+|-))?\s*$",
)
URL: Final = (
    r"^[a-z]+://(?P<domain>[^/:?#\[]+)(?::[0-9]+)?(?P<path>/[^?#]*)(?:\?(?P<query>[^#]*))?$",
    r"^(?P<domain>)(?P<path>/[^?#]*)(?:\?(?P<query>[^#]*))?$",
    r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*://(?P<domain>\[[^\]]*\]|[^/:?#]*)(?::[0-9]*|:-)?)?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?",
)

Cut = Callable[[AnyArray], tuple[list[AnyArray], Mask]]
Split = Callable[[Column, AnyArray], Mapping[str, AnyArray]]


def address(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """``10.0.0.1`` becomes the column's field, ``cloudtrail.amazonaws.com`` its ``host`` attribute."""
    addresses, others = to_ip(texts)
    return {column.field: addresses} if others is None else {column.field: addresses, column.host: pc.if_else(others, texts, None)}


def address_port(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """``10.0.0.1:80`` and ``[::1]:80`` become the column's field and its ``port`` field."""
    address, port = _taken_apart(texts, address_parts, ADDRESS_PORT, ("address", "port"))
    address = _without_brackets(address)
    return {column.field: _none_if_empty(address), column.port: _none_if_empty(port)} if column.port else {column.field: _none_if_empty(address)}


def request(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """``GET http://shop.example:80/cart?id=1 HTTP/1.1`` becomes method and URL; what is no request line is kept as the URL, and ``-`` is nothing."""
    method, target = _taken_apart(texts, request_parts, REQUEST, ("method", "url"))
    if target.null_count > texts.null_count:
        target = pc.coalesce(target, texts)
    return {"http.request.method": _none_if(method, "-"), **url(column, _none_if(target, "-"))}


def url(column: Column, texts: AnyArray) -> Mapping[str, AnyArray]:
    """A URL becomes itself and its domain, path and query."""
    del column
    domain, path, query = (_none_if_empty(part) for part in _taken_apart(texts, url_parts, URL, ("domain", "path", "query")))
    return {"url.full": texts, "url.domain": _without_brackets(domain), "url.path": path, "url.query": query}


def _taken_apart(texts: AnyArray, cut: Cut, patterns: tuple[str, ...], names: tuple[str, ...]) -> list[AnyArray]:
    """Cut what is of the usual form, and match the patterns with the rest."""
    if not len(texts):
        return matched(texts, patterns, names)
    parts, done = cut(texts)
    missed = ~done & np.asarray(pc.is_valid(texts).to_numpy(zero_copy_only=False), dtype=bool)
    if not done.any():
        return matched(texts, patterns, names)
    if texts.null_count:
        parts = [pc.if_else(pa.array(done), part, None) for part in parts]
    if not missed.any():
        return parts
    others = matched(texts.filter(pa.array(missed)), patterns, names)
    return [pc.replace_with_mask(part, pa.array(missed), other) for part, other in zip(parts, others, strict=True)]


def matched(texts: AnyArray, patterns: tuple[str, ...], names: tuple[str, ...]) -> list[AnyArray]:
    """Take texts apart by the first of some patterns that matches each."""
    found = pc.extract_regex(texts, patterns[0])
    parts: list[AnyArray] = [pc.struct_field(found, name) for name in names]
    if found.null_count == texts.null_count or len(patterns) == 1:
        return parts
    if found.null_count == len(texts):
        return matched(texts, patterns[1:], names)
    missed = pc.and_(pc.is_null(found), pc.is_valid(texts))
    others = matched(texts.filter(missed), patterns[1:], names)
    return [pc.replace_with_mask(part, missed, other) for part, other in zip(parts, others, strict=True)]


def _without_brackets(texts: AnyArray) -> AnyArray:
    return pc.utf8_trim(texts, "[]") if pc.any(pc.starts_with(texts, "["), min_count=0).as_py() else texts


def _none_if_empty(texts: AnyArray) -> AnyArray:
    return _none_if(texts, "")


def _none_if(texts: AnyArray, nothing: str) -> AnyArray:
    return pc.if_else(pc.equal(texts, nothing), None, texts)


SPLITS: Final[Mapping[str, Split]] = MappingProxyType({"address": address, "address_port": address_port, "request": request, "url": url})
