"""What the demo needs of AWS, made by our own code through boto3: log groups and their subscriptions, a Kinesis stream, a bucket, topics, parameters, tables.

``python -m sandbox.resources`` makes what is not there yet; run it as often as you like.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from botocore.exceptions import ClientError

from sandbox.shop.place import Place
from sandbox.shop.tables import make_tables
from tailrace.aws import client
from tailrace.settings import Settings, load

ACCOUNT: Final = "123456789012"
"""moto's account."""
STREAM: Final = "tailrace-logs"
RECEIPTS_BUCKET: Final = "shop-receipts"
ORDERS_TOPIC: Final = "shop-orders"
ALERTS_TOPIC: Final = "tailrace-alerts"
CHECK_GROUP: Final = "/tailrace/check"
SHOP_GROUPS: Final = ("/shop/web", "/shop/cart", "/shop/payment", "/shop/inventory", "/shop/mail")
EDGE_GROUPS: Final = ("/shop/alb", "/shop/vpc-flow")
LOG_GROUPS: Final = (*SHOP_GROUPS, *EDGE_GROUPS, CHECK_GROUP)
PARAMETERS: Final = (("/shop/payment/api-key", "not-a-secret", True), ("/shop/mail/sender", "orders@shop.example", False))
ALREADY: Final = frozenset({"ResourceAlreadyExistsException", "ResourceInUseException", "BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def make_all(settings: Settings) -> None:
    """Make everything; what is there already is left as it is."""
    make_stream(settings)
    make_log_groups(settings)
    make_shop_resources(settings)
    make_tables(Place(settings.aws_endpoint_url, settings.region, "", 0, Path()))


def make_stream(settings: Settings) -> None:
    """Make the Kinesis stream that the subscriptions write to."""
    kinesis = client("kinesis", settings)
    _unless_there(lambda: kinesis.create_stream(StreamName=STREAM, ShardCount=1))


def make_log_groups(settings: Settings) -> None:
    """Make the log groups, kept for a week, and subscribe the stream to each."""
    logs = client("logs", settings)
    for group in LOG_GROUPS:
        _unless_there(partial(logs.create_log_group, logGroupName=group))
        logs.put_retention_policy(logGroupName=group, retentionInDays=7)
        logs.put_subscription_filter(logGroupName=group, filterName="tailrace", filterPattern="", destinationArn=stream_arn(settings))


def make_shop_resources(settings: Settings) -> None:
    """Make the bucket, the topics and the parameters of the shop."""
    s3, sns, ssm = client("s3", settings), client("sns", settings), client("ssm", settings)
    _unless_there(lambda: s3.create_bucket(Bucket=RECEIPTS_BUCKET))
    for topic in (ORDERS_TOPIC, ALERTS_TOPIC):
        sns.create_topic(Name=topic)
    for name, value, secret in PARAMETERS:
        ssm.put_parameter(Name=name, Value=value, Type="SecureString" if secret else "String", Overwrite=True)


def stream_arn(settings: Settings) -> str:
    """Name the Kinesis stream."""
    return f"arn:aws:kinesis:{settings.region}:{ACCOUNT}:stream/{STREAM}"


def topic_arn(settings: Settings, name: str) -> str:
    """Name a topic."""
    return f"arn:aws:sns:{settings.region}:{ACCOUNT}:{name}"


def _unless_there(make: Callable[[], object]) -> None:
    try:
        make()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ALREADY:
            raise


if __name__ == "__main__":
    make_all(load().settings)
