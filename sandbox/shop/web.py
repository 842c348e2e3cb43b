"""web: what the customers see; it asks the other four."""

from typing import Any

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.shop import tracing
from sandbox.shop.service import World, make_app

SLOW_S = 0.7


def app(world: World) -> Flask:
    """Make the service."""
    made = make_app(world)
    made.add_url_rule("/", view_func=lambda: _home(world), endpoint="home")
    made.add_url_rule("/products/<sku>", view_func=lambda sku: _product(world, sku), endpoint="product")
    made.add_url_rule("/cart", view_func=lambda: _add(world), endpoint="add", methods=["POST"])
    made.add_url_rule("/checkout", view_func=lambda: _checkout(world), endpoint="checkout", methods=["POST"])
    return made


def _home(world: World) -> ResponseReturnValue:
    world.work(4)
    world.log("DEBUG", "home page from the cache", cache={"hit": True, "age_s": world.random.randint(0, 60)})
    return jsonify(shop="open")


def _product(world: World, sku: str) -> ResponseReturnValue:
    world.work(5)
    stock = world.call("inventory", "GET", f"/stock/{sku}")
    return jsonify(sku=sku, **stock.json()), stock.status_code


def _add(world: World) -> ResponseReturnValue:
    body: dict[str, Any] = request.get_json()
    world.work(3)
    cart = world.call("cart", "POST", f"/carts/{body['user']}", {"sku": body["sku"]})
    return jsonify(cart.json()), cart.status_code


def _checkout(world: World) -> ResponseReturnValue:
    user = str(request.get_json()["user"])
    cart = world.call("cart", "GET", f"/carts/{user}").json()
    order = {"id": f"o-{world.random.randrange(16**8):08x}", "user": user, "items": cart["items"], "total": cart["total"]}
    tracing.annotate(order_id=order["id"], items=len(order["items"]), total=order["total"])
    reserved = world.call("inventory", "POST", "/reserve", {"items": order["items"]})
    if reserved.elapsed.total_seconds() > SLOW_S:
        world.log("WARN", f"inventory took {reserved.elapsed.total_seconds():.1f} s", order=order, upstream={"service": "inventory"})
    if not reserved.ok:
        return jsonify(error="sold out"), 409
    charged = world.call("payment", "POST", "/charge", {"order": order["id"], "amount": order["total"], "user": user})
    if not charged.ok:
        world.log(
            "ERROR",
            f"checkout of {order['id']} failed: payment answered {charged.status_code}",
            order=order,
            upstream={"service": "payment", "status": charged.status_code},
        )
        return jsonify(error="payment failed"), 502
    world.call("mail", "POST", "/receipts", {"order": order})
    world.log("INFO", f"order {order['id']} placed", order=order)
    return jsonify(order=order["id"]), 201
