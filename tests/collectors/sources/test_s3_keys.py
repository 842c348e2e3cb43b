"""Keys say who wrote an object and when, in the layouts that AWS writes; a key that says neither is no error."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.s3_keys import MARGIN, Hints, hints_of, may_hold, times_of
from tailrace.clock import from_datetime

ACCOUNT = "123456789012"
ALB = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/eu-west-1/2026/11/27/{ACCOUNT}_elasticloadbalancing_eu-west-1_app.web.1a2b_20261127T1005Z_10.0.0.1_x.log.gz"


@pytest.mark.parametrize(
    ("key", "hints"),
    [
        (ALB, Hints(ACCOUNT, "eu-west-1", "elasticloadbalancing")),
        (f"my/prefix/{ALB}", Hints(ACCOUNT, "eu-west-1", "elasticloadbalancing")),
        (f"AWSLogs/o-1a2b3c4d5e/{ACCOUNT}/CloudTrail/us-gov-west-1/2026/11/27/x.json.gz", Hints(ACCOUNT, "us-gov-west-1", "cloudtrail")),
        (f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/eu-west-1/2026/11/27/x.json.gz", Hints(ACCOUNT, "eu-west-1", "cloudtrail-digest")),
        (f"AWSLogs/{ACCOUNT}/network-firewall/flow/eu-west-1/fw/2026/11/27/10/x.log.gz", Hints(ACCOUNT, "eu-west-1", "network-firewall")),
        (f"AWSLogs/{ACCOUNT}/WAFLogs/cloudfront/acl/2026/11/27/10/05/x.log.gz", Hints(ACCOUNT, "", "waflogs")),
        (f"AWSLogs/{ACCOUNT}/vpcdnsquerylogs/vpc-1a2b/2026/11/27/x.log.gz", Hints(ACCOUNT, "", "vpcdnsquerylogs")),
        (
            f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=27/x.parquet",
            Hints(ACCOUNT, "eu-west-1", "vpcflowlogs"),
        ),
        (f"flat/{ACCOUNT}_vpcflowlogs_eu-west-1_fl-1a2b_20261127T1620Z_fe12.log.gz", Hints(ACCOUNT, "eu-west-1", "vpcflowlogs")),
        (f"access/{ACCOUNT}/eu-west-1/my-bucket/2026/11/27/2026-11-27-10-05-33-1A2B3C4D5E6F7A8B", Hints(ACCOUNT, "eu-west-1")),
        ("app/2026/11/27/10/x.gz", Hints()),
        ("AWSLogs/", Hints()),
        (f"AWSLogs/{ACCOUNT}", Hints()),
        ("AWSLogs/nobody/CloudTrail/eu-west-1/x", Hints()),
        ("", Hints()),
    ],
)
def test_who_wrote_an_object(key: str, hints: Hints) -> None:
    assert hints_of(key) == hints


@pytest.mark.parametrize(
    ("key", "start", "length"),
    [
        (ALB, datetime(2026, 11, 27, 10, 5, tzinfo=UTC), timedelta(minutes=1)),
        ("access/2026-11-27-10-05-33-1A2B3C4D5E6F7A8B", datetime(2026, 11, 27, 10, 5, tzinfo=UTC), timedelta(minutes=1)),
        ("cdn/E2A3B4C5D6E7F8.2026-11-27-10.1a2b3c4d.gz", datetime(2026, 11, 27, 10, tzinfo=UTC), timedelta(hours=1)),
        ("2026/11/27/10/stream-1-2026-11-27-10-05-33-1a2b", datetime(2026, 11, 27, 10, 5, tzinfo=UTC), timedelta(minutes=1)),
        ("2026/11/27/10/part-0", datetime(2026, 11, 27, 10, tzinfo=UTC), timedelta(hours=1)),
        ("2026/11/27/part-0", datetime(2026, 11, 27, tzinfo=UTC), timedelta(days=1)),
        ("a/year=2026/month=11/day=27/hour=10/part-0", datetime(2026, 11, 27, 10, tzinfo=UTC), timedelta(hours=1)),
        ("a/year=2026/month=11/day=27/part-0", datetime(2026, 11, 27, tzinfo=UTC), timedelta(days=1)),
        ("a/day=2026-11-27/hour=10/part-0", datetime(2026, 11, 27, 10, tzinfo=UTC), timedelta(hours=1)),
        ("a/dt=20261127/part-0", datetime(2026, 11, 27, tzinfo=UTC), timedelta(days=1)),
    ],
)
def test_the_finest_time_that_a_key_names(key: str, start: datetime, length: timedelta) -> None:
    assert times_of(key) == (from_datetime(start), from_datetime(start + length))


@pytest.mark.parametrize("key", ["app.log", "2026/13/27/x", "2026/02/30/x", "v1.2026.3/x", "20261327T9999", "dt=today/x", "year=2026/month=11/x", ""])
def test_a_key_without_a_date_is_about_no_time(key: str) -> None:
    assert times_of(key) is None


@given(st.text("0123456789-/=TZ_.abyAWSLogsmonthday", max_size=60))
def test_any_key_is_read(key: str) -> None:
    hints_of(key)
    found = times_of(key)
    assert found is None or found[0] < found[1]


def us(day: int, hour: int = 0, minute: int = 0) -> int:
    return from_datetime(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


@pytest.mark.parametrize(
    ("key", "modified_us", "holds"),
    [
        ("app.log", us(26), True),
        ("app.log", us(30), True),
        ("app.log", us(25, 23), False),
        ("2026/11/26/x", us(30), True),
        ("2026/11/25/x", us(26), True),
        ("2026/11/24/x", us(26), False),
        ("2026/11/25/22/x", us(26), False),
        ("2026/11/25/23/x", us(26), True),
        ("2026/11/27/00/x", us(27), True),
        ("2026/11/27/01/x", us(27), False),
        ("x_20261127T0055Z_y", us(27), True),
        ("x_20261127T0105Z_y", us(27), False),
    ],
)
def test_what_may_hold_lines_of_a_day_is_read_and_an_hour_to_each_side(key: str, modified_us: int, holds: bool) -> None:
    assert timedelta(hours=1) == MARGIN
    assert may_hold(key, modified_us, us(26), us(27)) == holds
