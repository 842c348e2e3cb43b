"""``python -m sandbox.shop``: run the services, one server each, until the process is told to end."""

import logging
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click
from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.ending import end_event
from sandbox.incidents import Watch, board_path
from sandbox.shop import cart, inventory, mail, payment, tracing, web
from sandbox.shop.journal import Journal, LogStream
from sandbox.shop.place import SERVICES, Place
from sandbox.shop.service import World
from sandbox.shop.tables import make_tables
from tailrace.clock import Clock, SystemClock, iso_ms

APPS: Final[Mapping[str, Callable[[World], Flask]]] = MappingProxyType(
    {"web": web.app, "cart": cart.app, "payment": payment.app, "inventory": inventory.app, "mail": mail.app}
)


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Pass over it; the services log for themselves."""


def start_service(name: str, place: Place, clock: Clock, seed: int = 1) -> tuple[BaseWSGIServer, Journal]:
    """Start a service in threads of this process; answer its server and its log."""
    stream = LogStream(place.logs(), f"/shop/{name}", f"{name}/{iso_ms(clock.now_us()).replace(':', '.')}")
    journal = Journal(name, stream, clock)
    journal.start()
    world = World(place, journal, Watch(place.board, clock), random.Random(f"{seed}-{name}"))
    server = make_server("127.0.0.1", place.port(name), APPS[name](world), threaded=True, request_handler=_Handler)
    threading.Thread(target=server.serve_forever, name=name, daemon=True).start()
    return server, journal


@click.command()
@click.option("--endpoint", required=True, help="Address of AWS, or its emulator.")
@click.option("--region", default="us-east-1")
@click.option("--xray", default="127.0.0.1:2000", help="Address of the X-Ray daemon.")
@click.option("--first-port", type=int, required=True, help="Port of web; the other services have the four after it.")
@click.option("--home", type=click.Path(path_type=Path), default=Path("data"))
@click.option("--only", type=click.Choice(SERVICES), multiple=True)
@click.option("--seed", type=int, default=1)
def main(endpoint: str, region: str, xray: str, first_port: int, home: Path, only: tuple[str, ...], seed: int) -> None:
    """Run the services of the shop."""
    logging.getLogger("aws_xray_sdk").setLevel(logging.ERROR)
    place, clock = Place(endpoint, region, xray, first_port, board_path(home)), SystemClock()
    make_tables(place)
    tracing.configure(place)
    journals = [start_service(name, place, clock, seed)[1] for name in only or SERVICES]
    click.echo(f"web answers on {place.url('web')}")
    end_event().wait()
    for journal in journals:
        journal.send_waiting()


if __name__ == "__main__":
    main()
