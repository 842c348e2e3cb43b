"""The consumer of the demo's stream: ``python -m sandbox.consumer`` reads subscription payloads from Kinesis and hands them to the gateway.

The gateway answers when a payload is synced; only then is the checkpoint written, so a consumer that is killed loses nothing.
"""

import logging
from dataclasses import dataclass
from typing import Final

from collectors.sources.checkpoints import Checkpoints
from collectors.sources.kinesis import KinesisConsumer, Straight
from collectors.sources.kinesis_shards import Boto3Shards
from sandbox.ending import end_event
from sandbox.resources import STREAM
from tailrace.aws import client
from tailrace.clock import SystemClock
from tailrace.errors import PermanentError, TransientError
from tailrace.gateway_client import BAD_REQUEST, GatewayClient
from tailrace.settings import Settings, load

TIMEOUT_S: Final = 30.0
LATER: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class GatewayDoor:
    """Takes payloads for a gateway."""

    gateway: GatewayClient

    def take(self, payload: bytes) -> None:
        """Post a payload; return when it is durable.

        Raises :class:`TransientError` where the gateway is not there or takes nothing now, :class:`PermanentError` where it refuses.
        """
        answer = self.gateway.ask("POST", "/_tailrace/payload?kind=cloudwatch", body=payload, content_type="application/octet-stream", timeout_s=TIMEOUT_S)
        if answer.status >= BAD_REQUEST:
            kind = TransientError if answer.status in LATER else PermanentError
            raise kind(f"the gateway answered {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}")


def consume(settings: Settings) -> None:
    """Read the stream until told to end."""
    clock, checkpoints = SystemClock(), Checkpoints(settings.home / "demo" / "kinesis.sqlite")
    door = GatewayDoor(GatewayClient(settings))
    consumer = KinesisConsumer(Boto3Shards(client("kinesis", settings), STREAM), STREAM, Straight(door.take), checkpoints, clock, end_event())
    try:
        consumer.run()
    finally:
        checkpoints.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    consume(load().settings)
