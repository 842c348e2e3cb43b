"""Accounts and Regions whose log groups are looked at: those of the caller, or of roles to assume, from options or from a file.

The file is YAML::

    regions: [us-east-1, eu-central-1]
    accounts:
      - {name: shop, role: 'arn:aws:iam::111111111111:role/tailrace', external_id: x-1}
      - {name: audit, role: 'arn:aws:iam::222222222222:role/tailrace', regions: [eu-central-1]}
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from collectors.subscriptions.destination import Boto3Pipeline, KnowsPipeline
from collectors.subscriptions.log_groups import Boto3LogGroups, KeepsSubscriptions
from collectors.subscriptions.traffic import Boto3Metrics, Boto3Samples, KnowsTraffic, TakesSamples
from tailrace import aws
from tailrace.aws_errors import asked
from tailrace.errors import DeliveryError, UsageError
from tailrace.settings import Settings
from tailrace.yaml_file import Document, read_yaml

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

ROLE: Final = re.compile(r"arn:[a-z-]+:iam::(?P<account>\d{12}):role/.+")
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the role to assume (empty: the caller's own credentials), its name for people, its Regions (none: those of all)."""

    role: str = ""
    external_id: str = ""
    name: str = ""
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """An account in a Region, and its name for people."""

    account: str
    region: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name or self.account} {self.region}"


class Connection(Protocol):
    """A place, and the calls that are made there."""

    @property
    def place(self) -> Place:
        """The place."""
        ...

    @property
    def logs(self) -> KeepsSubscriptions:
        """Log groups and subscriptions."""
        ...

    @property
    def traffic(self) -> KnowsTraffic:
        """How much comes in."""
        ...

    @property
    def samples(self) -> TakesSamples:
        """What events look like."""
        ...

    @property
    def pipeline(self) -> KnowsPipeline | None:
        """What is behind a destination."""
        ...

    @property
    def kinesis(self) -> "KinesisClient":
        """The client that makes streams."""
        ...


@dataclass(frozen=True, slots=True)
class Closed:
    """A place that cannot be looked at, and why."""

    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Boto3Connection:
    """A place through boto3."""

    place: Place
    settings: Settings = field(repr=False)
    credentials: aws.Credentials | None = field(default=None, repr=False)

    @property
    def logs(self) -> KeepsSubscriptions:
        """Log groups and subscriptions."""
        return Boto3LogGroups(aws.client("logs", self.settings, self.credentials))

    @property
    def traffic(self) -> KnowsTraffic:
        """The metrics of CloudWatch."""
        return Boto3Metrics(aws.client("cloudwatch", self.settings, self.credentials))

    @property
    def samples(self) -> TakesSamples:
        """Pages of FilterLogEvents."""
        return Boto3Samples(aws.client("logs", self.settings, self.credentials))

    @property
    def pipeline(self) -> KnowsPipeline | None:
        """Functions and Firehose streams."""
        return Boto3Pipeline(aws.client("lambda", self.settings, self.credentials), aws.client("firehose", self.settings, self.credentials))

    @property
    def kinesis(self) -> "KinesisClient":
        """The client that makes streams."""
        return aws.client("kinesis", self.settings, self.credentials)


def read_accounts(path: Path) -> list[Account]:
    """Read the file of accounts; raises :class:`tailrace.errors.FileError` with the place of what is wrong."""
    document = read_yaml(path)
    document.refuse_unknown(("accounts", "regions"))
    regions = _regions(document, "regions") if "regions" in document.data else ()
    accounts = document.data.get("accounts") or []
    if not isinstance(accounts, list) or not accounts:
        raise document.error("accounts is a list of mappings with role, external_id, name and regions", "accounts")
    return [_account(document, number, regions) for number in range(len(accounts))]


def _account(document: Document, number: int, regions: tuple[str, ...]) -> Account:
    found = document.at("accounts", number)
    if not isinstance(found, dict):
        raise document.error("an account is a mapping with role, external_id, name and regions", "accounts", number)
    document.refuse_unknown(("role", "external_id", "name", "regions"), "accounts", number)
    for key in ("role", "external_id", "name"):
        if key in found and not isinstance(found[key], str):
            raise document.error(f"{key} is a text", "accounts", number, key)
    role = found.get("role", "")
    if role and not ROLE.fullmatch(role):
        raise document.error("not the ARN of a role: arn:aws:iam::123456789012:role/name", "accounts", number, "role")
    own = _regions(document, "accounts", number, "regions") if "regions" in found else ()
    return Account(role, found.get("external_id", ""), found.get("name", ""), own or regions)


def _regions(document: Document, *where: str | int) -> tuple[str, ...]:
    found = document.at(*where)
    if not isinstance(found, list) or not all(isinstance(one, str) and REGION.fullmatch(one) for one in found):
        raise document.error("regions is a list of names such as eu-central-1", *where)
    return tuple(found)


def accounts_of(path: Path | None, roles: Sequence[str], external_id: str) -> list[Account]:
    """Answer the accounts that a file and options name; none: the caller's own."""
    wrong = next((role for role in roles if not ROLE.fullmatch(role)), None)
    if wrong is not None:
        raise UsageError(f"not the ARN of a role: {wrong!r}; it looks like arn:aws:iam::123456789012:role/name")
    named = [*(read_accounts(path) if path else []), *(Account(role, external_id) for role in roles)]
    return named or [Account()]


def connect(accounts: Sequence[Account], regions: Sequence[str], settings: Settings) -> Iterator[Boto3Connection | Closed]:
    """Open every account in every Region (none: that of the settings); one that cannot be opened hinders no other."""
    for account in accounts:
        try:
            credentials = aws.assume_role(settings, account.role, account.external_id) if account.role else None
            number = _number(account, settings)
        except DeliveryError as error:
            yield Closed(account.name or account.role or "own account", str(error))
            continue
        for region in account.regions or tuple(regions) or (settings.region,):
            yield Boto3Connection(Place(number, region, account.name), replace(settings, region=region), credentials)


def _number(account: Account, settings: Settings) -> str:
    found = ROLE.fullmatch(account.role)
    if found:
        return found["account"]
    sts = aws.client("sts", settings)
    return str(asked("own account", "sts:GetCallerIdentity", sts.get_caller_identity)["Account"])
