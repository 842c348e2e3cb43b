"""Customers who use the shop all the time: ``python -m sandbox.load``.

The load is open: requests leave at their time, however slow the shop is, by at most 24 at once. Beside, the load balancer's access lines and the network's flow
records go to the log groups ``/shop/alb`` and ``/shop/vpc-flow``.
"""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click
import requests

from sandbox.ending import end_event
from sandbox.incidents import board_path
from sandbox.shop.journal import Journal, LogStream
from sandbox.shop.place import Place
from sandbox.shop.service import REQUEST_HEADER, USER_HEADER
from sandbox.traffic import Visit, alb_line, flow_line, visits
from tailrace.clock import US_PER_S, Clock, SystemClock, iso_ms

AT_ONCE: Final = 24
RATE: Final = 9.0
TIMEOUT_S: Final = 10.0
NO_ANSWER: Final = 504
FLOWS_EVERY_S: Final = 2.0
FLOWS: Final = 4


def ask(web: str, one: Visit) -> tuple[int, int]:
    """Make one request as the load balancer does; answer the status (504 where there is no answer) and the length of the answer."""
    headers = {"X-Amzn-Trace-Id": f"Root={one.trace_id}", "X-Forwarded-For": one.client.split(":")[0], "User-Agent": one.browser}
    body = {"user": one.user, "sku": one.sku} if one.method == "POST" else None
    try:
        answer = requests.request(
            one.method, web + one.path, json=body, timeout=TIMEOUT_S, headers={**headers, USER_HEADER: one.user, REQUEST_HEADER: one.request_id}
        )
    except requests.RequestException:
        return NO_ANSWER, 0
    return answer.status_code, len(answer.content)


def visit_and_log(web: str, one: Visit, journal: Journal, clock: Clock) -> None:
    """Make one request, and write its access line."""
    began_s = clock.monotonic_s()
    status, size = ask(web, one)
    journal.write(alb_line(one, status, round((clock.monotonic_s() - began_s) * US_PER_S), size))


def run(web: str, journals: tuple[Journal, Journal], clock: Clock, *, seed: int, base: float, ended: threading.Event) -> None:
    """Make requests until told to end."""
    alb, flows = journals
    source = random.Random(seed)
    threading.Thread(target=_write_flows, args=(flows, clock, random.Random(seed + 1), ended), name="flows", daemon=True).start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in visits(source, clock.now_us(), base):
            if ended.wait(max(one.at_us - clock.now_us(), 0) / US_PER_S):
                return
            pool.submit(visit_and_log, web, one, alb, clock)


def _write_flows(journal: Journal, clock: Clock, source: random.Random, ended: threading.Event) -> None:
    while not ended.wait(FLOWS_EVERY_S):
        for _ in range(FLOWS):
            journal.write(flow_line(source, clock.now_us()))


def _journal(place: Place, group: str, clock: Clock) -> Journal:
    journal = Journal(group, LogStream(place.logs(), f"/shop/{group}", f"{group}/{iso_ms(clock.now_us()).replace(':', '.')}"), clock)
    journal.start()
    return journal


@click.command()
@click.option("--endpoint", required=True, help="Address of AWS, or its emulator.")
@click.option("--region", default="us-east-1")
@click.option("--first-port", type=int, required=True, help="Port of web.")
@click.option("--home", type=click.Path(path_type=Path), default=Path("data"))
@click.option("--rate", "base", type=float, default=RATE, show_default=True, help="Requests a second, on the average.")
@click.option("--seed", type=int, default=1)
def main(endpoint: str, region: str, first_port: int, home: Path, base: float, seed: int) -> None:
    """Use the shop."""
    place, clock = Place(endpoint, region, "", first_port, board_path(home)), SystemClock()
    journals = (_journal(place, "alb", clock), _journal(place, "vpc-flow", clock))
    run(place.url("web"), journals, clock, seed=seed + clock.now_us() // US_PER_S, base=base, ended=end_event())
    for journal in journals:
        journal.send_waiting()


if __name__ == "__main__":
    main()
