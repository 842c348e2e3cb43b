"""IP addresses in SQL: a text becomes 32 hex digits, the 16 bytes that OpenSearch's ``ip`` type keeps.

So equality, ranges and CIDR blocks are comparisons of text. IPv4 is ``::ffff:a.b.c.d``. What is no address is null, as with ``ignore_malformed``.
"""

import ipaddress
from typing import Final

_V4: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

MACROS: Final = (
    (
        "CREATE MACRO tailrace_ip4(s) AS printf('%02x%02x%02x%02x', CAST(split_part(s, '.', 1) AS INTEGER), CAST(split_part(s, '.', 2) AS INTEGER), "
        "CAST(split_part(s, '.', 3) AS INTEGER), CAST(split_part(s, '.', 4) AS INTEGER))"
    ),
    "CREATE MACRO tailrace_ip6_words(s) AS list_transform(list_filter(string_split(s, ':'), lambda w: w <> ''), lambda w: lpad(w, 4, '0'))",
    "CREATE MACRO tailrace_ip6_tail(s) AS CASE WHEN contains(s, '.') THEN regexp_extract(s, '^(.*:)[^:]*$', 1) "
    "|| CASE WHEN regexp_full_match(regexp_extract(s, '[^:]*$'), '" + r"\.".join([_V4] * 4) + "') "
    "THEN substr(tailrace_ip4(regexp_extract(s, '[^:]*$')), 1, 4) || ':' || substr(tailrace_ip4(regexp_extract(s, '[^:]*$')), 5, 4) END ELSE s END",
    (
        "CREATE MACRO tailrace_ip6(s) AS CASE WHEN NOT regexp_full_match(s, '([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?(::)?([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?') THEN NULL "
        "WHEN contains(s, '::') THEN CASE WHEN len(tailrace_ip6_words(s)) <= 7 THEN "
        "array_to_string(tailrace_ip6_words(split_part(s, '::', 1)), '') || repeat('0000', 8 - len(tailrace_ip6_words(s))) "
        "|| array_to_string(tailrace_ip6_words(split_part(s, '::', 2)), '') END "
        "WHEN len(tailrace_ip6_words(s)) = 8 THEN array_to_string(tailrace_ip6_words(s), '') END"
    ),
    "CREATE MACRO tailrace_ip(s) AS CASE WHEN regexp_full_match(s, '" + r"\.".join([_V4] * 4) + "') THEN '00000000000000000000ffff' || tailrace_ip4(s) "
    "WHEN contains(s, ':') THEN tailrace_ip6(tailrace_ip6_tail(lower(s))) END",
)
"""DuckDB's macros; made before the database is locked."""


def ip_key(text: str) -> str | None:
    """Answer the 32 hex digits of an address; ``None`` where it is none.

    >>> ip_key("10.0.0.1"), ip_key("::1")
    ('00000000000000000000ffff0a000001', '00000000000000000000000000000001')
    """
    try:
        return None if "%" in text else _wide(ipaddress.ip_address(text))
    except ValueError:
        return None


def ip_block(text: str) -> tuple[str, str] | None:
    """Answer the first and the last address of a CIDR block, as hex digits."""
    address, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit() or len(bits) > 3:
        return None
    try:
        network = ipaddress.ip_network(f"{address}/{int(bits)}", strict=False)
    except ValueError:
        return None
    return _wide(network.network_address), _wide(network.broadcast_address)


def _wide(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"{'0' * 20}ffff{int(address):08x}" if address.version == 4 else f"{int(address):032x}"


def ip_text(key: str) -> str:
    """Print 32 hex digits as OpenSearch prints addresses: RFC 5952, mapped ones as IPv4.

    >>> ip_text("20010db8000000000000000000000001")
    '2001:db8::1'
    """
    address = ipaddress.IPv6Address(int(key, 16))
    return str(address.ipv4_mapped or address)
