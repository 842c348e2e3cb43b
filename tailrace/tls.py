"""TLS: the side of a server whose files may change while it runs, and the side of a client with an authority of one's own. Version 1.2 or newer, with the ciphers of Python's ``ssl``.

A server looks at its files when a connection begins, at most once a second. New ones serve new connections; those that cannot be used leave the old ones in place, and are told in
:meth:`ServerTls.status`. Which certificate a connection gets is chosen when its hello arrives (``sni_callback``): a context is never changed, so a certificate is never served with the key of another.
"""

import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from tailrace.clock import US_PER_DAY, Clock, from_datetime
from tailrace.errors import SettingError

LOOK_EVERY_S: Final = 1.0

_Signature = tuple[tuple[int, int, int] | None, ...]
"""When files changed (ns), their bytes and their inodes; ``None`` for one that is not there."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a server (PEM) and the settings that name them: ``<prefix>_certificate`` with what stands between it and its root, ``_key`` (empty: in the same file), ``_authority``."""

    prefix: str
    certificate: str
    key: str = ""
    authority: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files there are."""
        return tuple(path for path in (self.certificate, self.key, self.authority) if path)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a server's files made: its context, the names of its certificate, and from when until when it is valid, in microseconds since 1970."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    from_us: int
    until_us: int


class ServerTls:
    """The TLS of one port; ``context`` is what the port is opened with. Raises :class:`SettingError` where the files cannot be used at the start."""

    def __init__(self, files: TlsFiles, clock: Clock) -> None:
        self._files, self._clock, self._turn = files, clock, threading.Lock()
        self._seen, self._looked_s = _signature(files), clock.monotonic_s()
        self._made, self._error = _read(files), ""
        self.failed_handshakes = 0  # counted by the port
        self.context = _read(files).context  # one of its own, which is never replaced
        self.context.sni_callback = self._choose
        if problem := self._validity():
            _log.warning("%s_certificate = %s: %s", files.prefix, files.certificate, problem)

    def names(self, host: str) -> bool:
        """Whether the certificate is made for a host, so that clients that ask for it are content."""
        wanted = host.lower().rstrip(".")
        return any(name.lower() == wanted or (name.startswith("*.") and wanted.partition(".")[2] == name[2:].lower()) for name in self._made.names)

    def status(self) -> Mapping[str, Any]:
        """Answer the names of the certificate, the days that it is still valid, and what is wrong with it or with newer files."""
        self._look()
        left = (self._made.until_us - self._clock.now_us()) / US_PER_DAY
        told = {"names": list(self._made.names), "days_left": round(left, 3)}
        return {**told, "error": self._error or self._validity()}

    def _choose(self, one: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        """Called with each hello, also with one that names no host."""
        del name, context
        self._look()
        one.context = self._made.context

    def _look(self) -> None:
        with self._turn:
            now_s = self._clock.monotonic_s()
            if now_s - self._looked_s < LOOK_EVERY_S:
                return
            self._looked_s, found = now_s, _signature(self._files)
            if found == self._seen:
                return
            self._seen = found
            try:
                self._made, self._error = _read(self._files), ""
                _log.info("%s_certificate: a new certificate serves", self._files.prefix)
            except SettingError as error:
                self._error = f"the new files cannot be used, the old ones serve: {error}"
                _log.warning("%s", self._error)

    def _validity(self) -> str:
        now_us = self._clock.now_us()
        if now_us < self._made.from_us:
            return "the certificate is not valid yet"
        return "" if now_us < self._made.until_us else f"the certificate has expired {(now_us - self._made.until_us) / US_PER_DAY:,.1f} days ago"


def client_context(prefix: str, authority: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """Make the side of a client: it trusts the ``authority`` (empty: those of the system) and brings a ``certificate`` where it has one. Raises :class:`SettingError`."""
    _check_readable(TlsFiles(prefix, certificate, key, authority))
    try:
        context = ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(f"{prefix}_authority = {authority}: holds no certificate (PEM): {_reason(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        _load_chain(context, TlsFiles(prefix, certificate, key))
    return context


def _read(files: TlsFiles) -> _Made:
    _check_readable(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_chain(context, files)
    if files.authority:
        try:
            context.load_verify_locations(files.authority)
        except (OSError, ssl.SSLError) as error:
            raise SettingError(f"{files.prefix}_authority = {files.authority}: holds no certificate (PEM): {_reason(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
        context.options |= ssl.OP_NO_TICKET  # who resumes a session brings no certificate: it would outlive its authority
        context.num_tickets = 0
    found = _certificate(files)
    return _Made(context, _names(found), from_datetime(found.not_valid_before_utc), from_datetime(found.not_valid_after_utc))


def _check_readable(files: TlsFiles) -> None:
    for name, path in (("certificate", files.certificate), ("key", files.key), ("authority", files.authority)):
        if path:
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise SettingError(f"{files.prefix}_{name} = {path}: cannot be read: {error.strerror}") from error


def _load_chain(context: ssl.SSLContext, files: TlsFiles) -> None:
    shown = f"{files.prefix}_key = {files.key}" if files.key else f"{files.prefix}_certificate = {files.certificate}"
    _certificate(files)
    try:
        context.load_cert_chain(files.certificate, files.key or None, password=_no_password)
    except ssl.SSLError as error:
        why = (
            "is not the key of the certificate"
            if "KEY_VALUES_MISMATCH" in str(error)
            else f"holds no key that can be used (PEM, no password): {_reason(error)}"
        )
        raise SettingError(f"{shown}: {why}") from error
    except (OSError, ValueError) as error:
        raise SettingError(f"{shown}: {error}") from error


def _no_password() -> str:
    """Called by ``ssl`` for a key that is encrypted; without it, it would ask whoever is at the terminal."""
    raise ValueError("the key is encrypted, and nobody is there to say its password")


def _certificate(files: TlsFiles) -> x509.Certificate:
    """Answer the first certificate of the file: that of the server."""
    try:
        return x509.load_pem_x509_certificates(Path(files.certificate).read_bytes())[0]
    except (OSError, ValueError) as error:
        raise SettingError(f"{files.prefix}_certificate = {files.certificate}: holds no certificate (PEM)") from error


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress)))


def _signature(files: TlsFiles) -> _Signature:
    return tuple(map(_stat, files.paths))


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error).lower().replace("_", " ")
