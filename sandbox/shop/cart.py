"""cart: what each customer has in the basket, in DynamoDB."""

from decimal import Decimal
from typing import Any, Final

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.shop.place import CARTS_TABLE, SKUS
from sandbox.shop.service import World, make_app

MAX_ITEMS: Final = 5


def app(world: World) -> Flask:
    """Make the service."""
    made, table = make_app(world), world.place.dynamodb()
    made.add_url_rule("/carts/<user>", view_func=lambda user: _show(world, table, user), endpoint="show")
    made.add_url_rule("/carts/<user>", view_func=lambda user: _add(world, table, user), endpoint="add", methods=["POST"])
    return made


def _show(world: World, table: Any, user: str) -> ResponseReturnValue:  # noqa: ANN401 - a client
    world.work(3)
    items = _read(table, user) or [world.random.choice(SKUS)]
    world.log("DEBUG", f"cart of {user} has {len(items)} items", cart={"items": len(items)})
    return jsonify(items=items, total=total(items))


def _add(world: World, table: Any, user: str) -> ResponseReturnValue:  # noqa: ANN401 - a client
    world.work(4)
    items = [*_read(table, user), str(request.get_json()["sku"])][-MAX_ITEMS:]
    table.put_item(TableName=CARTS_TABLE, Item={"user": {"S": user}, "items": {"L": [{"S": sku} for sku in items]}})
    return jsonify(items=items, total=total(items))


def total(items: list[str]) -> float:
    """Answer what the items cost; the number in a SKU makes the price.

    >>> total(["mug-01", "lamp-07"])
    27.92
    """
    return float(sum(Decimal("9.96") + Decimal(sku[-2:]) for sku in items))


def _read(table: Any, user: str) -> list[str]:  # noqa: ANN401 - a client
    found = table.get_item(TableName=CARTS_TABLE, Key={"user": {"S": user}}).get("Item")
    return [item["S"] for item in found["items"]["L"]] if found else []
