"""The settings, one table: each with its default, its environment name ``TAILRACE_<NAME>``, its key in a TOML file, and what it means.

Order, the last wins: default, the file that ``TAILRACE_CONFIG`` names (or ``tailrace.toml`` in the current folder), the environment, the command line.
This is the one module that reads the environment. ``tailrace doctor`` shows where each value came from.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_type_hints

import msgspec

from tailrace.errors import FileError, SettingError, nearest

PREFIX: Final = "TAILRACE_"
CONFIG_NAME: Final = "tailrace.toml"
HIDDEN: Final = frozenset(
    {"opensearch_password", "smtp_password", "gateway_token", "firehose_access_key", "forward_shared_key", "hash_key", "sink_tailrace_token", "heartbeat_url"}
)
"""Settings whose values are never shown; they may be references, ``ssm:/name`` or ``secretsmanager:name``."""


def _setting(default: Any, meaning: str) -> Any:  # noqa: ANN401 - a default has the type of its setting
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, read; see the table in ``docs/configuration.md``."""

    home: Path = _setting(Path("data"), "folder of everything that is kept on this machine")
    lake: str = _setting("", "the lake: a folder or s3://bucket/prefix; empty: `lake` below home")
    region: str = _setting("us-east-1", "AWS region")
    aws_endpoint_url: str = _setting("", "address of an AWS emulator; empty: AWS")
    s3_endpoint_url: str = _setting("", "address of an S3 server of one's own; empty: the AWS endpoint")
    s3_encryption: str = _setting("", "how S3 shall encrypt the lake's objects: AES256, aws:kms or aws:kms:dsse; empty: as the bucket says")
    s3_kms_key: str = _setting("", "the key of KMS for it (ARN or id); empty: AWS's own key for S3")
    s3_bucket_key: bool = _setting(default=True, meaning="let S3 use a key of the bucket with aws:kms, which asks KMS (and pays) less often")
    opensearch_url: str = _setting("", "address of OpenSearch; empty: none, searches go to the lake")
    opensearch_user: str = _setting("", "user name for OpenSearch; empty and on AWS: requests are signed")
    opensearch_password: str = _setting("", "password for OpenSearch, or ssm:/name or secretsmanager:name")
    opensearch_service: str = _setting(
        "", "what requests to OpenSearch are signed for: es (a domain), aoss (a collection of OpenSearch Serverless) or none; empty: told by the address"
    )
    opensearch_authority: str = _setting("", "file of the authority whose certificate OpenSearch has (PEM); empty: those that everybody trusts")
    opensearch_certificate: str = _setting("", "file of the certificate that we show to OpenSearch (PEM); empty: none")
    opensearch_key: str = _setting("", "file of its key; empty: it is in the file of the certificate")
    opensearch_compress: bool = _setting(default=False, meaning="send bodies of requests to OpenSearch compressed (gzip)")
    trino_url: str = _setting("", "address of Trino; empty: none")
    gateway_host: str = _setting("127.0.0.1", "address that the gateway binds")
    gateway_port: int = _setting(9400, "port of the gateway")
    gateway_token: str = _setting("", "word that clients of the gateway must bring; needed where it binds more than this machine")
    gateway_address: str = _setting(
        "", "address at which commands and dashboard reach the gateway, such as https://logs.example.com:9400; empty: made of gateway_host and gateway_port"
    )
    gateway_tls_certificate: str = _setting(
        "", "file of the gateway's certificate (PEM, with those between it and its root); empty: it speaks HTTP without TLS"
    )
    gateway_tls_key: str = _setting("", "file of its key; empty: it is in the file of the certificate")
    gateway_tls_authority: str = _setting("", "file of the authority whose certificates clients of the gateway must have; empty: they need none")
    gateway_client_authority: str = _setting(
        "", "file of the authority that signed the certificates of gateways, this one's and that of sink_tailrace_url; empty: those of the system"
    )
    gateway_client_certificate: str = _setting("", "file of the certificate that commands, dashboard and sink bring where a gateway asks for one (PEM)")
    gateway_client_key: str = _setting("", "file of its key; empty: it is in the file of the certificate")
    firehose_access_key: str = _setting(
        "", "access key that Firehose must bring to POST /firehose, or ssm:/name or secretsmanager:name; empty: the gateway's token"
    )
    dashboard_host: str = _setting("127.0.0.1", "address that the dashboard binds")
    dashboard_port: int = _setting(8501, "port of the dashboard")
    xray_host: str = _setting("127.0.0.1", "address that the X-Ray daemon binds")
    xray_port: int = _setting(2000, "UDP and TCP port of the X-Ray daemon; 2000 is what the SDKs expect")
    xray_sampling_rate: float = _setting(1.0, "part of the requests that SDKs shall trace by the default sampling rule, 0 to 1")
    xray_sampling_rules: str = _setting("", "file of X-Ray sampling rules, as `aws xray get-sampling-rules` prints them; empty: the default rule alone")
    kinesis_stream: str = _setting("", "Kinesis stream of CloudWatch's payloads that the gateway reads; empty: none")
    tail_files: str = _setting("", "files that are followed, as patterns with commas between them: /var/log/app.log*,/srv/**/*.log; empty: none")
    syslog_host: str = _setting("127.0.0.1", "address that the syslog ports bind")
    syslog_port: int = _setting(0, "UDP and TCP port for syslog, 514 by custom; 0: none")
    syslog_tls_port: int = _setting(0, "port for syslog over TLS, 6514 by custom; 0: none")
    syslog_tls_certificate: str = _setting("", "file of the certificate of the syslog port with TLS (PEM); empty: the gateway's")
    syslog_tls_key: str = _setting("", "file of its key; empty: it is in the file of the certificate")
    syslog_tls_authority: str = _setting("", "file of the authority whose certificates senders of syslog must have; empty: they need none")
    forward_host: str = _setting("127.0.0.1", "address that the port of Fluent's forward protocol binds")
    forward_port: int = _setting(0, "port for Fluent's forward protocol, 24224 by custom; 0: none")
    forward_shared_key: str = _setting("", "key that senders of the forward protocol must know, or ssm:/name or secretsmanager:name; empty: none is asked for")
    cloudwatch_metrics: str = _setting("", "file that chooses metrics to be pulled from CloudWatch with GetMetricData; empty: none are")
    formats: str = _setting("", "folder of the user's own format files")
    pipeline: str = _setting(
        "", "file of rules for rows (enrich, metrics, drop, sample, redact, quotas, route); empty: `pipeline.yaml` below home, if it is there"
    )
    geoip_file: str = _setting(
        "", "file of MaxMind's format that says where addresses are (GeoLite2 City or Country); used where the pipeline's rules say geoip"
    )
    asn_file: str = _setting("", "file of MaxMind's format that says whose addresses are (GeoLite2 ASN)")
    hash_key: str = _setting("", "key of the hashes that stand for redacted values, or ssm:/name or secretsmanager:name")
    retention: str = _setting("", "file of rules that say what leaves the lake, and when; empty: `retention.yaml` below home, if it is there")
    rules: str = _setting("", "folder of alert rule files; empty: `rules` below home")
    saved_queries: str = _setting("", "folder of the user's own saved queries")
    fields_file: str = _setting("", "file that declares types of attributes; empty: `fields.yaml` below home")
    lake_flush_after_s: float = _setting(1.0, "seconds after which rows that wait are written to the lake")
    lake_flush_bytes: int = _setting(64 * 1024 * 1024, "bytes in memory at which rows that wait are written to the lake")
    firehose_streams: str = _setting(
        "", "prefix of the Amazon Data Firehose streams that the Lambda function delivers to: <prefix>-logs, -spans, -metrics, -dead"
    )
    sink_firehose_streams: str = _setting(
        "", "prefix of Amazon Data Firehose streams that the spool's rows go to as well: <prefix>-logs, -spans, -metrics; empty: none"
    )
    sink_kinesis_stream: str = _setting("", "Kinesis stream that the spool's rows go to as well; empty: none")
    sink_sqs_url: str = _setting("", "address of an SQS queue that the spool's rows go to as well; empty: none")
    sink_sns_topic: str = _setting("", "ARN of an SNS topic that the spool's rows go to as well; empty: none")
    sink_tailrace_url: str = _setting("", "address of the gateway of another Tailrace that the spool's rows go to as well; empty: none")
    sink_tailrace_token: str = _setting("", "the token of that gateway, or ssm:/name or secretsmanager:name")
    sink_stdout: bool = _setting(default=False, meaning="write the spool's rows to standard output as well, a line of JSON each")
    s3_queue_url: str = _setting("", "address of an SQS queue of S3 notifications, which `tailrace up` and `tailrace serve` read; empty: none")
    s3_queue_readers: int = _setting(4, "messages of that queue that are worked on side by side")
    s3_queue_max_receives: int = _setting(5, "times that a notification may come before an object that cannot be read is a dead letter")
    spool_max_bytes: int = _setting(4 * 1024**3, "bytes on disk at which the spool refuses more input")
    spool_max_age_s: float = _setting(0.0, "seconds that a row may wait in the spool for a sink before more input is refused; 0: however long")
    inflate_max_bytes: int = _setting(256 * 1024 * 1024, "bytes that one compressed payload may inflate to")
    search_timeout_s: float = _setting(30.0, "seconds after which a search is ended")
    part_cache_bytes: int = _setting(8 * 1024**3, "bytes on disk that copies of parts of a lake on S3 may take, for DuckDB")
    duckdb_memory: str = _setting("1GB", "memory that DuckDB may use")
    duckdb_threads: int = _setting(2, "threads that DuckDB may use")
    alert_every_s: float = _setting(5.0, "seconds between two runs of the alert rules")
    webhook_allow: str = _setting("", "hosts that webhooks may reach although they are private, comma-separated")
    smtp_host: str = _setting("", "SMTP server for alerts by e-mail")
    smtp_port: int = _setting(25, "its port")
    smtp_user: str = _setting("", "its user name; empty: no login")
    smtp_password: str = _setting("", "its password, or ssm:/name or secretsmanager:name")
    smtp_from: str = _setting("tailrace@localhost", "sender of alerts by e-mail")

    health_max_age_s: float = _setting(300.0, "seconds that a row may wait for a sink before /healthz says `degraded`")
    own_metrics_every_s: float = _setting(60.0, "seconds between two writings of the gateway's own metrics into the table `metrics`; 0: none")
    own_traces: bool = _setting(
        default=True, meaning="trace some of the gateway's requests, deliveries and alert rounds, and write them into the table `spans`"
    )
    heartbeat_url: str = _setting(
        "",
        "address that `tailrace up` and `tailrace serve` request while all is well, for a watchdog that misses it, or ssm:/name or secretsmanager:name; empty: none",
    )
    heartbeat_every_s: float = _setting(60.0, "seconds between two of these requests")

    @property
    def lake_location(self) -> str:
        """The lake's folder or ``s3://`` address."""
        return self.lake or str(self.home / "lake")

    @property
    def spool_folder(self) -> Path:
        """The spool's segments, cursors and seals; one process at a time has it."""
        return self.home / "spool"

    @property
    def dead_folder(self) -> Path:
        """Dead letters."""
        return self.home / "dead"

    @property
    def dead_log_path(self) -> Path:
        """Who replayed or dropped which dead letter (SQLite)."""
        return self.home / "dead_log.sqlite"

    @property
    def ledger_path(self) -> Path:
        """The ledger (SQLite); readers open it read-only."""
        return self.home / "ledger.sqlite"

    @property
    def alerts_path(self) -> Path:
        """State of the alert rules (SQLite)."""
        return self.home / "alerts.sqlite"

    @property
    def register_path(self) -> Path:
        """The learned part of the attribute register."""
        return self.home / "attributes.json"

    @property
    def tail_patterns(self) -> tuple[str, ...]:
        """The patterns of files that are followed."""
        return tuple(pattern for part in self.tail_files.split(",") if (pattern := part.strip()))

    @property
    def tail_path(self) -> Path:
        """How far followed files are read."""
        return self.home / "tail.json"

    @property
    def quotas_path(self) -> Path:
        """What sources with a quota took today."""
        return self.home / "quotas.json"

    @property
    def health_path(self) -> Path:
        """How formats read the lines of sources (SQLite); readers open it read-only."""
        return self.home / "health.sqlite"

    @property
    def heartbeat_path(self) -> Path:
        """What became of the heartbeats."""
        return self.home / "heartbeat.json"

    @property
    def erasures_path(self) -> Path:
        """Who had what erased from the lake (SQLite)."""
        return self.home / "erasures.sqlite"

    @property
    def opensearch_gone_path(self) -> Path:
        """How many documents retention and erasure deleted from OpenSearch (SQLite)."""
        return self.home / "opensearch_gone.sqlite"

    @property
    def part_cache_folder(self) -> Path:
        """Copies of parts of a lake on S3, for DuckDB."""
        return self.home / "part_cache"

    @property
    def gateway_url(self) -> str:
        """Where the gateway answers."""
        host = f"[{self.gateway_host}]" if ":" in self.gateway_host else self.gateway_host
        return self.gateway_address.rstrip("/") or f"{'https' if self.gateway_tls_certificate else 'http'}://{host}:{self.gateway_port}"

    @property
    def pipeline_path(self) -> Path:
        """The file of rules for rows."""
        return Path(self.pipeline) if self.pipeline else self.home / "pipeline.yaml"

    @property
    def retention_path(self) -> Path:
        """The file of rules that say what leaves the lake."""
        return Path(self.retention) if self.retention else self.home / "retention.yaml"

    @property
    def rules_folder(self) -> Path:
        """Where alert rules are read from."""
        return Path(self.rules) if self.rules else self.home / "rules"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where each value came from: ``default``, ``environment``, ``command line`` or a file's path."""

    settings: Settings
    origins: Mapping[str, str]


_TYPES: Final = get_type_hints(Settings)
MEANINGS: Final[Mapping[str, str]] = MappingProxyType({f.name: str(f.metadata["meaning"]) for f in fields(Settings)})
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType({f.name: f.default for f in fields(Settings)})


def load(overrides: Mapping[str, Any] = MappingProxyType({}), environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings; ``overrides`` are those of the command line, ``environment`` defaults to the process's own.

    Raises :class:`SettingError` for a value that cannot be read or a ``TAILRACE_`` name that does not exist, :class:`FileError` for the file.
    """
    env = os.environ if environment is None else environment
    path = Path(env.get(f"{PREFIX}CONFIG", CONFIG_NAME))
    from_file = _read_file(path, required=f"{PREFIX}CONFIG" in env)
    from_env = _read_environment(env)
    layers = ((str(path), from_file), ("environment", from_env), ("command line", dict(overrides)))
    values = {name: _convert(name, value, origin) for origin, layer in layers for name, value in layer.items()}
    origins = dict.fromkeys(_TYPES, "default") | {name: origin for origin, layer in layers for name in layer}
    return Loaded(Settings(**values), MappingProxyType(origins))


def environment() -> Mapping[str, str]:
    """Answer the process's environment, for those that hand it on to a child."""
    return MappingProxyType(os.environ)


def _read_environment(env: Mapping[str, str]) -> dict[str, Any]:
    own = {key: value for key, value in env.items() if key.startswith(PREFIX) and key not in _OTHER_NAMES}
    names = {key.removeprefix(PREFIX).lower(): value for key, value in own.items() if not key.startswith(f"{PREFIX}TEST_")}
    _refuse_unknown(names, "environment")
    return dict(names)


_OTHER_NAMES: Final = frozenset({f"{PREFIX}CONFIG", f"{PREFIX}DATA"})


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.exists() and not required:
        return {}
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileError(f"cannot be read: {error}", path=str(path)) from error
    _refuse_unknown(values, str(path))
    return values


def _refuse_unknown(values: Mapping[str, Any], origin: str) -> None:
    for name in values:
        if name not in _TYPES:
            raise SettingError(f"{origin}: no such setting: {name}{nearest(name, _TYPES)}")


def _convert(name: str, value: Any, origin: str) -> Any:  # noqa: ANN401 - from the table of types
    try:
        return msgspec.convert(value, _TYPES[name], strict=False) if _TYPES[name] is not Path else Path(str(value))
    except msgspec.ValidationError as error:
        raise SettingError(f"{origin}: {name} = {value!r}: {str(error)[:1].lower()}{str(error)[1:]}") from error


def settings_page() -> str:
    """Answer the table of ``docs/configuration.md``."""
    rows = (f"| `{PREFIX}{name.upper()}` | `{name}` | {_shown(DEFAULTS[name])} | {MEANINGS[name]} |" for name in MEANINGS)
    return "| environment | TOML key | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _shown(default: object) -> str:
    return f"`{default}`" if str(default) else ""
