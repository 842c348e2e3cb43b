"""Who may see the dashboard: whoever is on this machine. It has no log-in yet, so it refuses to listen further."""

import ipaddress

from tailrace.errors import SettingError


def check_binding(host: str) -> None:
    """Refuse an address that is reachable from other machines."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not is_local:
        raise SettingError(
            f"dashboard_host = {host!r} is reachable from outside, and the dashboard has no log-in: bind 127.0.0.1 and put a proxy that asks who it is before it"
        )
