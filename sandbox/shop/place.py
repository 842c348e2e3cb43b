"""Where everything is: the addresses that a service of the shop needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient

SERVICES: Final = ("web", "cart", "payment", "inventory", "mail")
ServiceName = Literal["web", "cart", "payment", "inventory", "mail"]
ACCOUNT: Final = "123456789012"
CARTS_TABLE: Final = "shop-carts"
STOCK_TABLE: Final = "shop-stock"
RECEIPTS_BUCKET: Final = "shop-receipts"
ORDERS_TOPIC: Final = "shop-orders"
SKUS: Final = ("mug-01", "mug-02", "lamp-07", "chair-12", "desk-03", "plant-21", "rug-05", "clock-09", "shelf-14", "vase-30")


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses: AWS (an emulator), the X-Ray daemon, the ports of the services (``first_port`` and the four after it), the file of incidents."""

    endpoint: str
    region: str
    xray: str
    first_port: int
    board: Path

    def port(self, service: str) -> int:
        """Answer the port of a service."""
        return self.first_port + SERVICES.index(service)

    def url(self, service: str) -> str:
        """Answer the address of a service."""
        return f"http://127.0.0.1:{self.port(service)}"

    def service_at(self, host: str) -> str:
        """Name the service that a ``Host`` header means."""
        port = host.rpartition(":")[2]
        index = int(port) - self.first_port if port.isdigit() else -1
        return SERVICES[index] if 0 <= index < len(SERVICES) else "shop"

    def topic(self, name: str) -> str:
        """Answer the ARN of a topic."""
        return f"arn:aws:sns:{self.region}:{ACCOUNT}:{name}"

    def logs(self) -> "CloudWatchLogsClient":
        """Make a client of CloudWatch Logs."""
        made: CloudWatchLogsClient = self._client("logs")
        return made

    def s3(self) -> "S3Client":
        """Make a client of S3."""
        made: S3Client = self._client("s3")
        return made

    def sns(self) -> "SNSClient":
        """Make a client of SNS."""
        made: SNSClient = self._client("sns")
        return made

    def dynamodb(self) -> Any:  # noqa: ANN401 - its types are no dependency of ours
        """Make a client of DynamoDB."""
        return self._client("dynamodb")

    def _client(self, service: str) -> Any:  # noqa: ANN401 - one of many types
        make: Any = boto3.client
        return make(service, region_name=self.region, endpoint_url=self.endpoint, aws_access_key_id="test", aws_secret_access_key="testtest")  # noqa: S106 - an emulator
