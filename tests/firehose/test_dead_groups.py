"""Groups of dead letters: one cause and one shape are one group, whatever ids and values the reasons name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.dead_letters import DeadLetters
from firehose.dead_letters.groups import cause_of, group_of, groups, members
from firehose.dead_letters.store import Stored
from firehose.delivery import DeadLetter

MAPPING = "400 mapper_parsing_exception: failed to parse field [attributes.n] of type [long] in document with id '{}'. Preview of field's value: '{}': For input string: \"{}\""


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (
            MAPPING.format("e-5", "it's 7", "x"),
            "400 mapper_parsing_exception: failed to parse field [attributes.n] of type [long] in document with id '…'. Preview of field's value: '…': For input string: \"…\"",
        ),
        (
            "the parser raised ValueError: invalid literal for int() with base 10: 'ab",
            "the parser raised ValueError: invalid literal for int() with base #: '…'",
        ),
        ("record 7f3a9c21-0d4e-4b7e-9a50-1234567890ab is no base64: 12 bytes", "record # is no base64: # bytes"),
        ("more than 1,048,576 bytes, at s3://logs/a1/b2.gz", "more than # bytes, at #"),
        ("not gzip", "not gzip"),
        ("413 too large", "413 too large"),
        ("", ""),
    ],
)
def test_a_cause_is_the_reason_without_what_differs(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause


@given(st.integers(0, 10**30), st.integers(0, 10**9), st.uuids(), st.text(alphabet="abc xyz,.", max_size=20))
def test_other_numbers_ids_and_values_are_the_same_cause(one: int, two: int, uuid: object, value: str) -> None:
    text = "batch {} of {} ({}) was refused at offset {}: value '{}'"
    assert cause_of(text.format(one, two, uuid, two, value)) == cause_of(text.format(1, 2, "7f3a9c21-0d4e-4b7e-9a50-1234567890ab", 3, "v"))


@given(st.text(max_size=3_000))
def test_any_reason_has_a_cause_and_a_cause_is_its_own(reason: str) -> None:
    assert cause_of(cause_of(reason[:400])) == cause_of(reason[:400])
    assert len(cause_of(reason)) <= 3_000


def stored(body: bytes, reason: str = "why", **detail: str) -> Stored:
    return Stored("p-0", 0, "payload", reason, "s", "", detail, body)


def test_letters_of_other_shapes_are_other_groups() -> None:
    bodies = [
        b"",
        b"\x1f\x8b\x08",
        b"PAR1",
        b"x\x9cabc",
        b"plain text",
        b"\x00\x01",
        b'{"a": 1}',
        b'{"b": 1}',
        b"[1]",
        b'{"a": ',
        b"{" + b" " * (1 << 20) + b"}",
    ]
    assert len({group_of(stored(body)) for body in bodies}) == len(bodies)
    assert group_of(stored(b'{"b": 1, "a": "x"}')) == group_of(stored(b'{"a": [2], "b": null}'))
    assert group_of(stored(b"a", envelope="line")) != group_of(stored(b"a", envelope="cloudwatch"))
    assert group_of(stored(b"a", reason="another")) != group_of(stored(b"a"))
    assert group_of(stored(b"\xc3\xa9" * 4_095)) == group_of(stored(b"a" + b"\xc3\xa9" * 4_095))


@given(st.binary(max_size=200))
def test_any_body_has_a_shape(body: bytes) -> None:
    assert len(group_of(stored(body))) == 8


def test_groups_count_what_they_hold_and_follow_what_is_dropped(tmp_path: Path) -> None:
    dead = DeadLetters(tmp_path)
    assert groups(dead) == []
    for number in range(3):
        refused = [DeadLetter("document", MAPPING.format(f"e-{number}", number, number), b'{"n": "%d"}' % number, {"source": f"s{number}", "table": "logs"})]
        dead.write(
            f"os-{number}", [*refused, DeadLetter("payload", "not gzip", b"xyz" * number, {})], time_us=number * 1_000_000, source="udp", sink="opensearch"
        )
    found = {one.cause.split(":")[0]: one for one in groups(dead)}
    mapping = found["400 mapper_parsing_exception"]
    assert (mapping.count, mapping.bytes, mapping.oldest_us, mapping.newest_us) == (3, 30, 0, 2_000_000)
    assert (mapping.sources, mapping.example, mapping.shape.content, mapping.shape.sink) == (("s0", "s1", "s2"), "os-2-0", "{n}", "opensearch")
    assert [one.id for one in members(dead, mapping.name)] == ["os-0-0", "os-1-0", "os-2-0"]
    assert sum(one.count for one in groups(dead)) == dead.count()
    dead.drop("os-2-0")
    again = next(one for one in groups(dead) if one.name == mapping.name)
    assert (again.count, again.example, again.newest_us) == (2, "os-1-0", 1_000_000)
    assert mapping.to_json()["group"] == mapping.name
    assert list(members(dead, "none")) == []
