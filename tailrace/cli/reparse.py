"""``tailrace reparse``: stored lines that could not be read in full, parsed again after their format was mended."""

import sys
from typing import Any, Final
from urllib.parse import urlencode

import click
import orjson

from collectors.from_settings import formats_from_settings, reparse_from_settings
from firehose import LocalFirehose
from queries.dsl.dates import DateReader
from tailrace.cli.output import json_option, print_json
from tailrace.clock import US_PER_HOUR, US_PER_MS, SystemClock
from tailrace.errors import StateError, TransientError, UsageError
from tailrace.fields import AttributeRegister
from tailrace.gateway_client import GatewayClient
from tailrace.lake import LAST_HOUR_US
from tailrace.settings import Settings, load

FLUSH_S: Final = 120.0
TIMEOUT_S: Final = 3_600.0


@click.command()
@click.argument("name", metavar="FORMAT")
@click.option("--from", "from_time", metavar="TIME", help="Not before: a date, or date math such as now-1d/d. Times are those of the events.")
@click.option("--to", "to_time", metavar="TIME", help="Before: the same forms.")
@json_option
def command(name: str, *, from_time: str | None, to_time: str | None, as_json: bool) -> None:
    """Parse stored lines of a format again that could not be read in full; what is read better takes the old row's place in every sink.

    Doing it again does nothing. Where the gateway runs, it is asked to do it, and reads new lines with the mended format from then on. Exits 1 where a line still cannot be read in full.

    Example: tailrace reparse shop.orders --from now-7d
    """
    settings = load().settings
    formats_from_settings(settings).get(name)
    done = _done(settings, name, _time_us(from_time, 0), _time_us(to_time, LAST_HOUR_US + US_PER_HOUR))
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['read']:,} lines read again, {done['replaced']:,} rows replaced, {done['moved']:,} of them in another hour now")
        click.echo(f"{done['parsed']:,} are read in full, {done['partial']:,} in part, {done['failed']:,} not")
    sys.exit(1 if done["partial"] or done["failed"] else 0)


def _done(settings: Settings, name: str, from_us: int, to_us: int) -> dict[str, Any]:
    """Do it in this process, or, where another one has the spool, ask its gateway."""
    clock, register = SystemClock(), AttributeRegister(settings.register_path)
    try:
        stream = LocalFirehose(settings, clock, register=register)
    except StateError:
        return _ask_gateway(settings, name, from_us, to_us)
    with stream:
        done = reparse_from_settings(settings, stream, register, clock).run(name, from_us, to_us).to_json()
        stream.flush(FLUSH_S)
    return done


def _ask_gateway(settings: Settings, name: str, from_us: int, to_us: int) -> dict[str, Any]:
    answer = GatewayClient(settings).ask("POST", f"/_tailrace/reparse?{urlencode({'format': name, 'from': from_us, 'to': to_us})}", timeout_s=TIMEOUT_S)
    if answer.status >= 400:
        kind = UsageError if answer.status == 400 else TransientError
        raise kind(f"the gateway answered {answer.status}: {answer.body[:300].decode('utf-8', 'replace')}")
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def _time_us(text: str | None, otherwise: int) -> int:
    return otherwise if text is None else DateReader(SystemClock().now_us(), "time").read_ms(text, round_up=False) * US_PER_MS
