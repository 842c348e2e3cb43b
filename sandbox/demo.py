"""``tailrace demo``: the whole stack on this machine, with the shop as its user.

::

    load --> shop --PutLogEvents--> moto --subscription--> Kinesis --> consumer --> gateway --> lake --> dashboard, alerts
              '---------------- X-Ray documents by UDP -------------------------------^

Each of them is a process under one supervisor. Under the home folder lie the data, the rules (copied from ``examples/rules`` the first time), ``demo/`` (incidents, and
when the demo was last seen) and ``demo-logs/`` (one file a part, of this run).
"""

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import sandbox
from sandbox.checks import EMULATOR_HEALTH, Claims, Port, choose_port, free_port, free_ports, http_ok
from sandbox.incidents import Board, board_path, write_board
from sandbox.supervisor import Part, Supervisor
from tailrace.clock import US_PER_MINUTE, Clock, SystemClock
from tailrace.errors import SettingError
from tailrace.gateway_client import gateway_ok
from tailrace.settings import MEANINGS, PREFIX, Loaded, Settings

SERVICES: Final = 5
EXTRAS: Final = ("moto", "flask", "requests")
HISTORY_US: Final = 60 * US_PER_MINUTE
SHORTEST_HISTORY_US: Final = 2 * US_PER_MINUTE
SEEN_EVERY_S: Final = 10.0
PLAIN: Final[Mapping[str, Any]] = MappingProxyType(
    dict.fromkeys(("gateway_address", "gateway_tls_certificate", "gateway_tls_key", "gateway_tls_authority"), "")
)
"""The demo's gateway is on this machine alone, and nobody else's."""

DUCKDB_MEMORY: Final = "256MB"
NO_ACCOUNT: Final = MappingProxyType(
    {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "testtest",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
)
"""So that no part finds, asks for or sends real credentials."""
EXAMPLE_RULES: Final = Path(sandbox.__file__).parent.parent / "examples" / "rules"


@dataclass(frozen=True, slots=True)
class Stack:
    """The settings that the parts run with, and where the emulator and the shop are; ``claims`` keep others off its ports until the parts have bound them."""

    settings: Settings
    emulator_port: int
    shop_port: int
    claims: Claims = field(default_factory=Claims, repr=False, compare=False)

    @property
    def endpoint(self) -> str:
        """Answer the address of AWS, which moto plays."""
        return f"http://127.0.0.1:{self.emulator_port}"

    @property
    def xray(self) -> str:
        """Answer the address of the X-Ray daemon."""
        return f"{self.settings.xray_host}:{self.settings.xray_port}"

    @property
    def dashboard_url(self) -> str:
        """Answer where the dashboard is."""
        return f"http://{self.settings.dashboard_host}:{self.settings.dashboard_port}"

    @property
    def shop_url(self) -> str:
        """Answer where the shop is."""
        return f"http://127.0.0.1:{self.shop_port}"

    @property
    def logs(self) -> Path:
        """Answer the folder of the parts' logs."""
        return self.settings.home / "demo-logs"

    @property
    def environment(self) -> Mapping[str, str]:
        """Answer the environment of every part: the settings, and that no part asks the network for credentials."""
        own = {f"{PREFIX}{name.upper()}": str(getattr(self.settings, name)) for name in MEANINGS}
        return MappingProxyType({**own, **NO_ACCOUNT, "PYTHONUNBUFFERED": "1"})


def choose(loaded: Loaded) -> Stack:
    """Choose the ports: those of the settings, or free ones where nobody asked for a certain one.

    Raises :class:`SettingError` where one that was asked for is taken, or a package that only the demo needs is not there.
    """
    missing = [name for name in EXTRAS if find_spec(name) is None]
    if missing:
        raise SettingError(f"the demo needs packages that are not installed ({', '.join(missing)}): pip install 'tailrace[sandbox]'")
    given, claims = loaded.settings, Claims()
    emulator_port = free_port()
    settings = replace(
        given,
        gateway_port=_port(loaded, "gateway_port", claims),
        dashboard_port=_port(loaded, "dashboard_port", claims),
        xray_port=_port(loaded, "xray_port", claims),
        **PLAIN,
        home=given.home.absolute(),
        aws_endpoint_url=f"http://127.0.0.1:{emulator_port}",
        heartbeat_url="",
        duckdb_memory=DUCKDB_MEMORY if loaded.origins["duckdb_memory"] == "default" else given.duckdb_memory,
    )
    return Stack(settings, emulator_port, free_ports(SERVICES), claims)


def _port(loaded: Loaded, name: str, claims: Claims) -> int:
    host = {"gateway_port": loaded.settings.gateway_host, "xray_port": loaded.settings.xray_host}.get(name, loaded.settings.dashboard_host)
    return choose_port(Port(name, getattr(loaded.settings, name), loaded.origins[name] != "default", udp=name == "xray_port", host=host), claims)


def ingest_parts(stack: Stack) -> tuple[Part, ...]:
    """Answer the parts between CloudWatch Logs and the lake, with the alert rules: what the check needs too."""
    env = stack.environment
    return (
        Part("emulator", ("python", "-m", "sandbox.emulator", "--port", str(stack.emulator_port)), http_ok(stack.endpoint + EMULATOR_HEALTH), environment=env),
        Part("gateway", ("python", "-m", "tailrace", "serve"), gateway_ok(stack.settings, "/livez"), environment=env),
        Part("resources", ("python", "-m", "sandbox.resources"), after=("emulator",), environment=env, once=True),
        Part("consumer", ("python", "-m", "sandbox.consumer"), after=("gateway", "resources"), environment=env),
        Part("alerts", ("python", "-m", "tailrace", "alerts", "run"), after=("gateway",), environment=env),
    )


def demo_parts(stack: Stack, history: tuple[int, int] | None) -> tuple[Part, ...]:
    """Answer all parts of the demo; ``history`` is the span of time to make up, if any."""
    env, home = stack.environment, str(stack.settings.home)
    shop = ("python", "-m", "sandbox.shop", "--endpoint", stack.endpoint, "--xray", stack.xray, "--first-port", str(stack.shop_port), "--home", home)
    load = ("python", "-m", "sandbox.load", "--endpoint", stack.endpoint, "--first-port", str(stack.shop_port), "--home", home)
    parts = (
        *ingest_parts(stack),
        Part("dashboard", ("python", "-m", "dashboard"), http_ok(f"{stack.dashboard_url}/_stcore/health"), environment=env),
        Part("shop", shop, http_ok(f"{stack.shop_url}/healthz"), after=("emulator",), environment=env),
        Part("load", load, after=("gateway", "resources", "shop"), environment=env),
    )
    if history is None:
        return parts
    times = ("--from", str(history[0]), "--until", str(history[1]))
    past = ("python", "-m", "sandbox.history", "--endpoint", stack.endpoint, "--xray", stack.xray, *times)
    return (*parts, Part("history", past, after=("consumer",), environment=env, once=True, again=False))


def prepare(stack: Stack, clock: Clock) -> tuple[int, int] | None:
    """Prepare the home folder; answer the span of time that the history is to fill, ``None`` where the demo was seen a moment ago."""
    home, now_us = stack.settings.home, clock.now_us()
    shutil.rmtree(stack.logs, ignore_errors=True)
    stack.logs.mkdir(parents=True)
    write_board(board_path(home), Board(now_us))
    if not stack.settings.rules_folder.exists() and EXAMPLE_RULES.is_dir():
        shutil.copytree(EXAMPLE_RULES, stack.settings.rules_folder)
    from_us = max(read_seen(home), now_us - HISTORY_US)
    write_seen(home, now_us)
    return (from_us, now_us) if now_us - from_us >= SHORTEST_HISTORY_US else None


def read_seen(home: Path) -> int:
    """Read when the demo last ran, in microseconds since 1970; 0 where it never did."""
    with contextlib.suppress(OSError, ValueError):
        return int(_seen(home).read_text("ascii"))
    return 0


def write_seen(home: Path, now_us: int) -> None:
    """Write down that the demo runs now."""
    path = _seen(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(now_us), "ascii")


def _seen(home: Path) -> Path:
    return home / "demo" / "seen"


def run(loaded: Loaded, *, seconds: float | None, tell: Callable[[str], None], ready: Callable[[Stack, float], None], clock: Clock | None = None) -> int:
    """Run the demo until a signal comes or the time is over; ``ready`` is called with the seconds that the start took. Answers the exit code."""
    clock = clock or SystemClock()
    began_s = clock.monotonic_s()
    stack = choose(loaded)
    parts = demo_parts(stack, prepare(stack, clock))
    with Supervisor(parts, stack.logs, tell=tell, clock=clock) as supervisor, supervisor.signals():
        if not supervisor.start():
            return 0
        ready(stack, clock.monotonic_s() - began_s)
        code = supervisor.tend(for_s=seconds, until=_keep_seen(stack.settings.home, clock))
        tell("stopping ...")
        supervisor.stop()
        write_seen(stack.settings.home, clock.now_us())
        return code


def _keep_seen(home: Path, clock: Clock) -> Callable[[], bool]:
    """Answer a condition that never holds, and writes down now and then that the demo runs."""
    last_s = [clock.monotonic_s()]

    def never() -> bool:
        if clock.monotonic_s() - last_s[0] >= SEEN_EVERY_S:
            last_s[0] = clock.monotonic_s()
            write_seen(home, clock.now_us())
        return False

    return never
