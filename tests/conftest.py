"""What all tests share: hypothesis profiles, and the environment kept out."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("sandbox.servers.pytest_plugin",)

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT, max_examples=50)
settings.register_profile("ci", _PATIENT, max_examples=100, derandomize=True)
settings.register_profile("soak", _PATIENT, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests leaks in, and no credentials of AWS."""
    for name in list(os.environ):
        if name.startswith(("TAILRACE_", "AWS_")) and not name.startswith("TAILRACE_TEST_") and name != "TAILRACE_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
