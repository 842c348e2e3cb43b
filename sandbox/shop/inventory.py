"""inventory: how many of each thing are there, in DynamoDB; slow in the incident ``slow_inventory``."""

from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.shop.place import STOCK_TABLE
from sandbox.shop.service import World, make_app


def app(world: World) -> Flask:
    """Make the service."""
    made, table = make_app(world), world.place.dynamodb()
    made.add_url_rule("/stock/<sku>", view_func=lambda sku: _stock(world, table, sku), endpoint="stock")
    made.add_url_rule("/reserve", view_func=lambda: _reserve(world, table), endpoint="reserve", methods=["POST"])
    return made


def _stock(world: World, table: Any, sku: str) -> ResponseReturnValue:  # noqa: ANN401 - a client
    _look_up(world)
    found = table.get_item(TableName=STOCK_TABLE, Key={"sku": {"S": sku}}).get("Item")
    if found is None:
        world.log("WARN", f"no such product: {sku}", product={"sku": sku})
        return jsonify(error="no such product"), 404
    return jsonify(stock=int(found["stock"]["N"]))


def _reserve(world: World, table: Any) -> ResponseReturnValue:  # noqa: ANN401 - a client
    _look_up(world)
    items: list[str] = request.get_json()["items"]
    for sku in sorted(set(items)):
        table.update_item(
            TableName=STOCK_TABLE,
            Key={"sku": {"S": sku}},
            UpdateExpression="SET stock = stock - :n",
            ExpressionAttributeValues={":n": {"N": str(items.count(sku))}},
        )
    world.log("DEBUG", f"reserved {len(items)} items", reservation={"skus": items})
    return jsonify(reserved=len(items))


def _look_up(world: World) -> None:
    if world.incidents.is_on("slow_inventory"):
        wait_s = world.random.uniform(0.8, 2.2)
        world.sleep(wait_s)
        world.log(
            "WARN", f"slow query: stock look-up took {wait_s * 1000:.0f} ms", query={"table": STOCK_TABLE, "took_ms": round(wait_s * 1000), "plan": "full scan"}
        )
    else:
        world.work(6)
