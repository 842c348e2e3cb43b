"""How each format reads each source is counted, lines that it cannot read are known by their looks, and new fields by their day."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.from_settings import collector_from_settings
from collectors.health import MAX_NOTED, shapes_of
from collectors.lines import Lines, Origin
from firehose.delivery import Delivery, MemoryStream
from tailrace.cli.formats import command
from tailrace.clock import US_PER_DAY, ManualClock
from tailrace.errors import StateError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.parse_health import EXAMPLE_CHARS, MAX_SHAPES, HealthWriter, Noted, Seen, Shape, read_health
from tailrace.settings import Settings

NOON_US = 20_000 * US_PER_DAY + US_PER_DAY // 2


class Place:
    """A collector over a home folder, and the health that it keeps."""

    def __init__(self, home: Path, rules: str = "", stream: Any = None) -> None:
        home.mkdir(exist_ok=True)
        if rules:
            (home / "pipeline.yaml").write_text(rules)
        self.settings, self.clock, self.stream, self.number = Settings(home=home), ManualClock(NOON_US), stream or MemoryStream(), 0
        self.sut = collector_from_settings(self.settings, self.stream, AttributeRegister(), self.clock)

    def collect(self, *texts: str, source: str = "file:a", format_name: str = "") -> None:
        ids = [f"{source}-{number}" for number in range(self.number, self.number + len(texts))]
        self.number += len(texts)
        times = pa.nulls(len(texts), pa.timestamp("us"))
        self.sut.collect_lines(Lines(Origin(source, "file", format=format_name), self.clock.now_us(), pa.array(texts), pa.array(ids), times))

    def health(self, **more: Any) -> dict[str, Any]:
        health = self.sut._work.health
        assert health is not None
        health.flush()
        return read_health(self.settings.health_path, **more)


ACCESS = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/8"'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "home")


def test_lines_are_counted_by_format_and_source(place: Place) -> None:
    place.collect(ACCESS, ACCESS, "nonsense", format_name="web.apache_access")
    place.collect(ACCESS, source="file:b")
    place.clock.sleep(86_400)
    place.collect(ACCESS, source="file:b")
    found = place.health()["formats"]
    assert found == [
        {"format": "web.apache_access", "source": "file:a", "parsed": 2, "partial": 0, "failed": 1},
        {"format": "web.apache_access", "source": "file:b", "parsed": 2, "partial": 0, "failed": 0},
    ]


def test_lines_that_fail_alike_are_one_shape_with_reason_example_and_times(place: Place) -> None:
    place.collect("no 17 such line", format_name="web.apache_access")
    place.clock.sleep(60)
    place.collect("a 4 b c", ACCESS, "?!", format_name="web.apache_access")
    shapes = {row["shape"]: row for row in place.health()["shapes"]}
    assert set(shapes) == {"a a", "?!"}
    row = shapes["a a"]
    assert (row["count"], row["status"], row["example"]) == (2, "failed", "no 17 such line")
    assert row["reason"].startswith("reading stopped at ")
    assert row["first_seen"] < row["last_seen"]


def test_a_shape_folds_words_numbers_and_ids() -> None:
    lines = ["x=17, y=4", "ERROR  the Größe\tof it", "2026-11-24T10:00:00Z", "a" * 2_000 + " 1", ""]
    assert shapes_of(pa.array(lines)).to_pylist() == ["a=0, a=0", "a a", "0", "a", ""]


def test_a_line_is_shown_after_redaction_and_cut(tmp_path: Path) -> None:
    place = Place(tmp_path / "home", "redact: [email]")
    place.collect("who a@b.example " + "x" * 2_000, format_name="web.apache_access")
    (row,) = place.health()["shapes"]
    assert row["example"].startswith("who [email] x")
    assert len(row["example"]) == EXAMPLE_CHARS


def test_fields_that_come_on_a_later_day_are_new(place: Place) -> None:
    place.collect('{"message":"a","shop":{"order":1}}')
    place.clock.sleep(86_400)
    place.collect('{"message":"a","shop":{"order":1,"voucher":"x"}}', source="file:b")
    found = {row["field"]: (row["source"], row["new"], row["first_seen"][:10]) for row in place.health(name="app.json")["fields"]}
    assert found == {"shop.order": ("file:a", False, "2024-10-04"), "shop.voucher": ("file:b", True, "2024-10-05")}


def test_what_was_noted_outlives_the_process_and_is_written_within_a_second(place: Place) -> None:
    place.collect("nonsense", format_name="web.apache_access")
    deadline = time.monotonic() + 10
    while not read_health(place.settings.health_path)["shapes"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert read_health(place.settings.health_path)["formats"][0]["failed"] == 1
    place.sut.close()
    again = Place(place.settings.home)
    again.collect('{"message":"a","shop":{"order":1}}', "nonsense", format_name="web.apache_access")
    assert again.health()["formats"][0]["failed"] == 3


def test_what_could_not_be_put_is_not_counted(tmp_path: Path) -> None:
    class Full(MemoryStream):
        def put(self, delivery: Delivery) -> None:
            raise TransientError("the spool is full")

    place = Place(tmp_path / "home", stream=Full())
    with pytest.raises(TransientError):
        place.collect("nonsense")
    assert place.health() == {"formats": [], "shapes": [], "fields": []}


def test_shapes_and_days_are_bounded(tmp_path: Path) -> None:
    writer, path = HealthWriter(tmp_path / "h.sqlite"), tmp_path / "h.sqlite"
    for start in range(0, 3_000, 1_000):
        shapes = {Shape("f", "s", "failed", "r", f"shape {n}"): Seen(1, n, n, "x") for n in range(start, start + 1_000)}
        writer.write(Noted({("f", "s", 10): [1, 0, 0]}, shapes), 10 * US_PER_DAY)
    found = read_health(path, limit=10_000)
    assert len(found["shapes"]) == MAX_SHAPES
    assert found["shapes"][0]["shape"] == "shape 2999"
    assert found["formats"][0]["parsed"] == 3
    writer.write(Noted({("g", "s", 500): [1, 0, 0]}), 500 * US_PER_DAY)
    assert [row["format"] for row in read_health(path)["formats"]] == ["g"]
    writer.close()


def test_a_flood_of_shapes_is_counted_and_not_kept(place: Place) -> None:
    place.collect(
        *["!" * number for number in range(1, 180)], *["?" * n + "!" * m for n in range(1, 60) for m in range(1, 60)], format_name="web.apache_access"
    )
    found = place.health(limit=10_000)
    assert found["formats"][0]["failed"] == 179 + 59 * 59
    assert len(found["shapes"]) <= min(MAX_NOTED, MAX_SHAPES)


def test_a_file_that_is_no_health_is_said(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match="not the health"):
        read_health(path)


@settings(max_examples=20)
@given(texts=st.lists(st.text(max_size=80), min_size=1, max_size=8))
def test_whatever_lines_hold_each_is_counted_once(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    place = Place(tmp_path_factory.mktemp("h"))
    place.collect(*texts, format_name="web.apache_access")
    counts = place.health()["formats"]
    rows = sum(delivery.tables["logs"].num_rows for delivery in place.stream.deliveries)
    assert sum(row["parsed"] + row["partial"] + row["failed"] for row in counts) == rows
    assert sum(row["count"] for row in place.health()["shapes"]) == sum(row["partial"] + row["failed"] for row in counts)
    place.sut.close()


def test_the_command_shows_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRACE_HOME", str(place.settings.home))
    assert CliRunner().invoke(command, ["health"]).exit_code == 0
    place.collect("no\x1b[31m line", format_name="web.apache_access")
    place.health()
    result = CliRunner().invoke(command, ["health", "--format", "web.apache_access"])
    assert (result.exit_code, "\x1b" in result.output, "no\\x1b[31m line" in result.output) == (1, False, True)
    result = CliRunner().invoke(command, ["health", "--json"])
    assert json.loads(result.output)["formats"][0]["failed"] == 1
