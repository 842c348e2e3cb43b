"""A writer of MaxMind's format, as far as tests need it: https://maxmind.github.io/MaxMind-DB/, records of 24 bits, addresses of version 6 with those of version 4 below ::/96."""

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
_MAP, _TEXT, _DOUBLE, _UINT16, _UINT32, _UINT64, _ARRAY = 7, 2, 3, 5, 6, 9, 11


def written(networks: Mapping[str, Mapping[str, Any]], kind: str = "Test-City") -> bytes:
    """Answer a file in which each network has its record."""
    nodes: list[list[int | None]] = [[None, None]]
    data, places = bytearray(), {}
    for network, record in networks.items():
        places[network] = len(data)
        data += _encoded(record)
    for network in sorted(networks, key=lambda one: ipaddress.ip_network(one).prefixlen):
        _insert(nodes, ipaddress.ip_network(network), ~places[network])
    count = len(nodes)
    tree = b"".join(_record(value, count) for node in nodes for value in node)
    metadata = {
        "node_count": (_UINT32, count),
        "record_size": (_UINT16, 24),
        "ip_version": (_UINT16, 6),
        "binary_format_major_version": (_UINT16, 2),
        "binary_format_minor_version": (_UINT16, 0),
        "build_epoch": (_UINT64, 1_790_000_000),
        "database_type": kind,
        "languages": ["en"],
        "description": {"en": "made by a test"},
    }
    return tree + bytes(16) + bytes(data) + MARKER + _encoded(metadata)


def _insert(nodes: list[list[int | None]], network: Any, leaf: int) -> None:
    length = network.prefixlen + (96 if network.version == 4 else 0)
    bits, at = int(network.network_address), 0
    for depth in range(length):
        bit = bits >> (127 - depth) & 1
        if depth == length - 1:
            nodes[at][bit] = leaf
            return
        found = nodes[at][bit]
        if found is None or found < 0:  # a wider network, which the new node takes over on both sides
            nodes.append([found, found])
            found = nodes[at][bit] = len(nodes) - 1
        at = found


def _record(value: int | None, count: int) -> bytes:
    number = count if value is None else value if value >= 0 else ~value + count + 16
    return number.to_bytes(3, "big")


def _encoded(value: Any) -> bytes:
    match value:
        case dict():
            return _head(_MAP, len(value)) + b"".join(_encoded(name) + _encoded(own) for name, own in value.items())
        case list():
            return _head(_ARRAY, len(value)) + b"".join(map(_encoded, value))
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case float():
            return _head(_DOUBLE, 8) + struct.pack(">d", value)
        case int():
            return _encoded((_UINT32, value))
        case (kind, number):
            digits = int(number).to_bytes((int(number).bit_length() + 7) // 8, "big")
            return _head(kind, len(digits)) + digits
    raise TypeError(value)


def _head(kind: int, size: int) -> bytes:
    first, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | first]) + more if kind < 8 else bytes([first, kind - 7]) + more
