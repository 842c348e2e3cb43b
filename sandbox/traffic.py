"""The customers of the shop: who they are, what they do and when, and what the load balancer and the network in front of the shop log about it.

Rates go up and down like a day that lasts 40 minutes. Everything comes from a seeded random source.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from sandbox.shop.place import ACCOUNT, SKUS
from tailrace.clock import US_PER_S, to_datetime

Action = Literal["home", "product", "add", "checkout"]
SHARES: Final = MappingProxyType[Action, float]({"home": 0.3, "product": 0.34, "add": 0.16, "checkout": 0.2})
DAY_S: Final = 2_400.0
USERS: Final = 200
BROWSERS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    "shop-app/4.2 (Android 15)",
)
METHODS: Final = MappingProxyType[Action, str]({"home": "GET", "product": "GET", "add": "POST", "checkout": "POST"})
TARGET: Final = "10.0.1.20:80"
TARGET_GROUP: Final = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/shop-web/73e2d6bc24d8a067"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a customer. ``trace_id`` is X-Ray's, made by the load balancer."""

    at_us: int
    action: Action
    user: str
    sku: str
    client: str
    browser: str
    trace_id: str
    request_id: str

    @property
    def method(self) -> str:
        """Answer the HTTP method."""
        return METHODS[self.action]

    @property
    def path(self) -> str:
        """Answer the path on web."""
        return {"home": "/", "product": f"/products/{self.sku}", "add": "/cart", "checkout": "/checkout"}[self.action]


def rate(at_us: int, base: float) -> float:
    """Answer the requests per second at a time, between 0.45 and 1.55 of the base."""
    return base * (1 + 0.55 * math.sin(2 * math.pi * (at_us / US_PER_S) / DAY_S))


def visits(random_source: random.Random, from_us: int, base: float) -> Iterator[Visit]:
    """Make visits for ever, in order of time: a Poisson process whose rate varies."""
    at_us = float(from_us)
    while True:
        at_us += random_source.expovariate(rate(round(at_us), base)) * US_PER_S
        yield visit(random_source, round(at_us))


def visit(random_source: random.Random, at_us: int) -> Visit:
    """Make one visit; a user has always the same address and browser."""
    number = 1 + int(USERS * random_source.random() ** 2)
    action = random_source.choices(list(SHARES), list(SHARES.values()))[0]
    return Visit(
        at_us=at_us,
        action=action,
        user=f"u-{number:03}",
        sku=random_source.choice(SKUS),
        client=f"203.0.113.{number % 250 + 1}:{random_source.randint(32_768, 60_999)}",
        browser=BROWSERS[number % len(BROWSERS)],
        trace_id=f"1-{at_us // US_PER_S:08x}-{random_source.getrandbits(96):024x}",
        request_id=f"{random_source.getrandbits(64):016x}",
    )


def alb_line(one: Visit, status: int, took_us: int, sent_bytes: int) -> str:
    """Print an access line of an Application Load Balancer.

    The columns are those of https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
    """
    began, ended = (to_datetime(at).isoformat(timespec="microseconds").replace("+00:00", "Z") for at in (one.at_us, one.at_us + took_us))
    return (
        f"http {ended} app/shop/50dc6c495c0c9188 {one.client} {TARGET} 0.000 {took_us / US_PER_S:.3f} 0.000 {status} {status} {312 + len(one.path)} {sent_bytes} "
        f'"{one.method} http://shop.example:80{one.path} HTTP/1.1" "{one.browser}" - - {TARGET_GROUP} "Root={one.trace_id}" "-" "-" 0 {began} "forward" "-" "-" '
        f'"{TARGET}" "{status}" "-" "-" TID_{one.request_id}{one.request_id}'
    )


def flow_line(random_source: random.Random, at_us: int) -> str:
    """Print a VPC flow record, version 2 (https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html)."""
    end_s = at_us // US_PER_S
    packets = random_source.randint(2, 80)
    scan = random_source.random() < 0.06
    source = f"198.51.100.{random_source.randint(1, 254)}" if scan else f"203.0.113.{random_source.randint(1, 200)}"
    port = random_source.choice((22, 23, 3389, 5900)) if scan else 80
    return (
        f"2 {ACCOUNT} eni-0a1b2c3d4e5f60718 {source} 10.0.1.20 {random_source.randint(32_768, 60_999)} {port} 6 {packets} {packets * random_source.randint(52, 1400)} "
        f"{end_s - 60} {end_s} {'REJECT' if scan else 'ACCEPT'} OK"
    )
