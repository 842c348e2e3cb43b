"""AWS on this machine, with account policies."""

import logging
import threading
from collections.abc import Iterator

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from sandbox.account_policies import AccountPolicies
from tailrace.settings import Settings


@pytest.fixture
def moto() -> Iterator[Settings]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, AccountPolicies(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Settings(aws_endpoint_url=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
