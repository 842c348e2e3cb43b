"""payment: charges cards, tells SNS; three of five charges are refused in the incident ``payment_errors``."""

from typing import Any, Final

import orjson
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.shop.place import ORDERS_TOPIC
from sandbox.shop.service import World, make_app

REFUSED: Final = 0.6


class CardNetworkError(Exception):
    """The card network refused or did not answer."""


def app(world: World) -> Flask:
    """Make the service."""
    made, sns = make_app(world), world.place.sns()
    made.add_url_rule("/charge", view_func=lambda: _charge(world, sns), endpoint="charge", methods=["POST"])
    return made


def _charge(world: World, sns: Any) -> ResponseReturnValue:  # noqa: ANN401 - a client
    body: dict[str, Any] = request.get_json()
    _ask_card_network(world, str(body["order"]), float(body["amount"]))
    sns.publish(TopicArn=world.place.topic(ORDERS_TOPIC), Message=orjson.dumps(body).decode())
    world.log("INFO", f"charged {body['amount']:.2f} for {body['order']}", payment={"amount": body["amount"], "currency": "EUR", "network": _network(world)})
    return jsonify(charged=True)


def _ask_card_network(world: World, order: str, amount: float) -> None:
    world.work(12)
    if world.incidents.is_on("payment_errors") and world.random.random() < REFUSED:
        world.work(60)
        raise CardNetworkError(f"card network answered 503 for {order} over {amount:.2f} EUR")


def _network(world: World) -> str:
    return world.random.choice(("blue", "blue", "red"))
