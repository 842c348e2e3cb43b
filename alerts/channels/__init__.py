"""The channels that messages go out by: console, webhook, SNS, e-mail.

A channel sends one message and returns, or raises :class:`tailrace.errors.TransientError` (try again later) or :class:`tailrace.errors.PermanentError` (never).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from alerts.state import Notice
from tailrace.settings import Settings


class Channel(Protocol):
    """The one call of a channel."""

    def send(self, notice: Notice) -> None:
        """Deliver one message."""
        ...


def open_channels(settings: Settings) -> Mapping[str, Channel]:
    """Make one of each, from the settings; clients of AWS are made when first used."""
    from alerts.channels.console import ConsoleChannel
    from alerts.channels.email import EmailChannel
    from alerts.channels.sns import SnsChannel
    from alerts.channels.webhook import WebhookChannel

    allowed = frozenset(host.strip() for host in settings.webhook_allow.split(",") if host.strip())
    return MappingProxyType(
        {
            "console": ConsoleChannel(),
            "webhook": WebhookChannel(allowed),
            "sns": SnsChannel(settings),
            "email": EmailChannel(settings),
        }
    )
