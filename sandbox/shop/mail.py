"""mail: writes receipts to S3; logs broken JSON in the incident ``broken_mail_format``."""

from typing import Any

import orjson
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.shop.place import RECEIPTS_BUCKET
from sandbox.shop.service import World, make_app


def app(world: World) -> Flask:
    """Make the service."""
    made, s3 = make_app(world), world.place.s3()
    made.add_url_rule("/receipts", view_func=lambda: _send(world, s3), endpoint="send", methods=["POST"])
    return made


def _send(world: World, s3: Any) -> ResponseReturnValue:  # noqa: ANN401 - a client
    order: dict[str, Any] = request.get_json()["order"]
    world.work(8)
    s3.put_object(Bucket=RECEIPTS_BUCKET, Key=f"{order['user']}.json", Body=orjson.dumps(order))
    world.log("INFO", f"receipt of {order['id']} sent to {order['user']}@shop.example", mail={"template": "receipt", "order": order["id"], "bytes": 2_048})
    return jsonify(sent=True), 202
