"""Console: the message as one line of JSON in the process's own log (ElastAlert's ``debug``)."""

import logging

import orjson

from alerts.state import Notice

LOGGER = logging.getLogger("tailrace.alerts")


class ConsoleChannel:
    """Writes messages to the log; JSON, so that log text cannot break out of its line."""

    def send(self, notice: Notice) -> None:
        """Log the message."""
        line = {"alert": notice.subject, "rule": notice.rule, "kind": notice.kind, "text": notice.body}
        LOGGER.warning("%s", orjson.dumps(line).decode())
