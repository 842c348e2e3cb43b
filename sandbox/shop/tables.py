"""The shop's tables in DynamoDB, made and filled when it starts."""

import contextlib
from typing import Any

from botocore.exceptions import ClientError

from sandbox.shop.place import CARTS_TABLE, SKUS, STOCK_TABLE, Place

FULL_STOCK = 1_000_000


def make_tables(place: Place) -> None:
    """Make the tables of carts and of stock, and fill the stock."""
    client = place.dynamodb()
    _make(client, CARTS_TABLE, "user")
    _make(client, STOCK_TABLE, "sku")
    for sku in SKUS:
        client.put_item(TableName=STOCK_TABLE, Item={"sku": {"S": sku}, "stock": {"N": str(FULL_STOCK)}})


def _make(client: Any, name: str, key: str) -> None:  # noqa: ANN401 - a client
    with contextlib.suppress(client.exceptions.ResourceInUseException, ClientError):
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
