"""What the tests of ports share: a collector over a stream in memory, waiting, and certificates."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collectors.collector import Collector
from collectors.from_settings import work_with
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tests.collectors.readers.samples import formats


class Gate(MemoryStream):
    """A stream that takes nothing while it is shut."""

    def __init__(self, *, is_open: bool = True) -> None:
        super().__init__()
        self.open = threading.Event()
        if is_open:
            self.open.set()

    def put(self, delivery: Delivery) -> None:
        if not self.open.is_set():
            raise TransientError("shut")
        super().put(delivery)


def collector_of(stream: Any) -> Collector:
    register = AttributeRegister()
    return Collector(stream, work_with(formats(), register), register, SystemClock())


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def dropped(stream: MemoryStream) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in stream.deliveries:
        for count in delivery.counts:
            for rule, number in count.dropped.items():
                found[rule] = found.get(rule, 0) + number
    return found


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Make a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return public, private
