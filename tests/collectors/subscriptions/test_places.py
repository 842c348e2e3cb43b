"""Accounts and Regions are named by options or by a file; one that cannot be opened hinders no other."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from collectors.subscriptions.places import Account, Boto3Connection, Closed, Place, accounts_of, connect, read_accounts
from tailrace import aws
from tailrace.errors import FileError, UsageError
from tailrace.settings import Settings

ROLE = "arn:aws:iam::111111111111:role/tailrace"


def written(folder: Path, text: str) -> Path:
    path = folder / "accounts.yaml"
    path.write_text(text, "utf-8")
    return path


def test_the_file_names_accounts_and_their_regions(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"regions: [us-east-1, eu-central-1]\naccounts:\n  - {{name: shop, role: '{ROLE}', external_id: x-1}}\n  - {{name: own, regions: [us-gov-west-1]}}\n",
    )
    assert read_accounts(path) == [Account(ROLE, "x-1", "shop", ("us-east-1", "eu-central-1")), Account("", "", "own", ("us-gov-west-1",))]
    assert [account.role for account in accounts_of(path, [ROLE + "2"], "")] == [ROLE, "", ROLE + "2"]
    assert accounts_of(None, [], "") == [Account()]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("accounts: []\n", "1:1: accounts is a list"),
        ("accounts: {}\n", "accounts is a list"),
        ("accounts: [shop]\n", "an account is a mapping"),
        ("accounts:\n  - {rol: x}\n", r"2:6: no such option: rol \(did you mean 'role'\?\)"),
        ("accounts:\n  - {role: arn:x}\n", "2:6: not the ARN of a role"),
        ("accounts:\n  - {role: 1}\n", "role is a text"),
        ("regions: us-east-1\naccounts:\n  - {name: a}\n", "1:1: regions is a list"),
        ("accounts:\n  - {name: a, regions: [Frankfurt]}\n", "2:15: regions is a list"),
        ("account: 1\n", "no such option: account"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(FileError, match=error):
        read_accounts(written(tmp_path, text))


def test_a_role_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="not the ARN of a role: 'admin'"):
        accounts_of(None, ["admin"], "")


def test_each_account_has_its_own_log_groups_in_each_region(moto: Settings) -> None:
    accounts = [Account(), Account(ROLE, "x-1", "shop", ("us-east-1", "eu-central-1"))]
    found = [one for one in connect(accounts, ["us-west-2"], moto) if isinstance(one, Boto3Connection)]
    assert [one.place for one in found] == [
        Place("123456789012", "us-west-2"),
        Place("111111111111", "us-east-1", "shop"),
        Place("111111111111", "eu-central-1", "shop"),
    ]
    for one in found:
        client = aws.client("logs", one.settings, one.credentials)
        client.create_log_group(logGroupName=f"/{one.place.account}/{one.place.region}")
    assert [[group.name for group in one.logs.groups("/1")] for one in found] == [
        ["/123456789012/us-west-2"],
        ["/111111111111/us-east-1"],
        ["/111111111111/eu-central-1"],
    ]
    assert str(found[1].place) == "shop us-east-1"
    assert "ASIA" not in repr(found[1])


def test_an_account_that_cannot_be_opened_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Denies:
        def assume_role(self, **given: object) -> object:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")

        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": "123456789012"}

    monkeypatch.setattr(aws, "client", lambda *given: Denies())
    closed, opened = connect([Account(ROLE, name="shop"), Account()], [], Settings())
    assert closed == Closed("shop", f"role {ROLE}: AccessDenied: no; the caller needs the IAM action sts:AssumeRole")
    assert isinstance(opened, Boto3Connection)
    assert opened.place == Place("123456789012", "us-east-1")
