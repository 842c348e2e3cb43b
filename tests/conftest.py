"""What all tests share: hypothesis profiles, the environment kept out, and how they are parted between processes."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tailrace.settings import Settings

pytest_plugins = ("sandbox.servers.pytest_plugin",)

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT, max_examples=50)
settings.register_profile("ci", _PATIENT, max_examples=100, derandomize=True)
settings.register_profile("soak", _PATIENT, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev"))


_SERVERS = frozenset({"opensearch_url", "s3_server", "trino_url"})
_LONG = ("/end_to_end/", "/faults/")


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """Name what is packed by its length: gzip holds the time, and every process must have the same names."""
    del config
    return f"{len(val)} bytes of gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Give each process whole files, and one of them all tests of real servers, which are started once; what takes longest begins first."""
    for item in items:
        needs_servers = not _SERVERS.isdisjoint(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("servers" if needs_servers else item.path.relative_to(config.rootpath).as_posix()))
    yield
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (not item.nodeid.endswith("@servers"), not any(folder in item.nodeid for folder in _LONG)))


@pytest.fixture(scope="module")
def moto() -> Iterator[Settings]:
    """Settings that lead to a server of moto's in this process. What it holds it holds for the whole process: names are a test's own."""
    from moto.server import ThreadedMotoServer  # it takes long to import, and few tests need it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield Settings(aws_endpoint_url=f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    server.stop()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests leaks in, and no credentials of AWS."""
    for name in list(os.environ):
        if name.startswith(("TAILRACE_", "AWS_")) and not name.startswith("TAILRACE_TEST_") and name != "TAILRACE_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
