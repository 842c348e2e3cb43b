"""``tailrace serve``: the gateway alone."""

import logging

import click

from gateway.server import serve
from tailrace.settings import load


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the gateway.")
@click.option("--xray/--no-xray", default=True, show_default=True, help="Run the X-Ray daemon too (UDP and TCP).")
def command(*, port: int | None, xray: bool) -> None:
    """Run the gateway with spool, sinks and keeper, until told to stop.

    It is ready when GET /healthz answers 200.

    Example: tailrace serve --port 9400
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    serve(load({"gateway_port": port} if port else {}).settings, xray=xray)
