"""Format files: what is wrong is said with file, line, column and the nearest right name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.format import Format
from collectors.format_file import OURS, load_formats, parse_format
from collectors.format_test import row_of, run_tests
from tailrace.errors import FileError
from tailrace.schema import FieldType
from tailrace.yaml_file import parse_yaml

GOOD = """name: shop.orders
description: Orders.
detect:
  log_groups: ['^/shop/']
  line: '^ORDER '
  rank: 10
reader: pattern
options:
  patterns: ['^ORDER (?P<id>[0-9]+) (?P<took>[0-9.]+)$']
time: {source: at, form: iso}
severity: {source: level, words: {bad: ERROR}}
columns:
  - {source: id, attribute: order.id, type: long, one_of: []}
  - {source: took, field: duration_s, type: double, scale: 0.001}
constants: {service.name: orders}
tests:
  - line: 'ORDER 17 41.5'
    row: {duration_s: 0.0415, attributes: '{"order.id":17}'}
"""


def read(text: str) -> Format:
    return parse_format(parse_yaml(text.encode("utf-8", "surrogatepass"), "shop.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: shop.orders", "name: orders", "shop.yaml:1:1: a name is `<family>.<name>` of letters, digits and _"),
        ("reader: pattern", "reader: patern", "shop.yaml:7:1: no such reader: patern (did you mean 'pattern'?)"),
        ("form: iso", "form: isu", "shop.yaml:10:20: no such form of time: isu (did you mean 'iso'?)"),
        ("reader:", "readr:", "shop.yaml:7:1: no such option: readr (did you mean 'reader'?)"),
        ("type: double", "type: duble", "shop.yaml:14:39: no such type: duble (did you mean 'double'?)"),
        ("field: duration_s", "field: duration", "shop.yaml:14:20: no such field of the schema: duration (did you mean 'duration_s'?)"),
        ("scale: 0.001", "scale: many", "shop.yaml:14:53: a scale is a number"),
        ("source: took, ", "", "shop.yaml:14:5: a column needs a source"),
        ("rank: 10", "rank: first", "shop.yaml:6:3: rank is a whole number"),
        ("'^ORDER '", "'^ORDER ('", "shop.yaml:5:3: not a pattern of RE2: missing ): ^ORDER ("),
        ("(?P<took>", "(?<=x)(?P<took>", "shop.yaml:9:14: not a pattern of RE2: invalid perl operator: (?<"),
        ("(?P<took>", "(", "shop.yaml:9:14: all groups of a pattern have names: (?P<name>...), or are none: (?:...)"),
        (
            "field: duration_s, type: double",
            "field: http.response.status_code, type: double",
            "shop.yaml:14:20: the field http.response.status_code is of type long",
        ),
        ("field: duration_s", "field: event_id", "shop.yaml:14:20: no such field of the schema: event_id"),
        ("type: long,", "type: long, scale: 2,", "shop.yaml:13:51: a column with a scale is of type double"),
        ("{service.name: orders}", "{severity_text: warm}", "shop.yaml:15:13: no such severity: warm"),
        ("source: level,", "source: {a: b},", "shop.yaml:11:12: the source of the severity is a text, or a list of texts that are asked one after another"),
        ("{service.name: orders}", "{network.bytes: 5}", "shop.yaml:15:13: the field network.bytes is of type long"),
        ("attribute: order.id, type: long", "attribute: order.id, type: address_port", "shop.yaml:13:5: a column of type address_port needs a field"),
        (
            "attribute: order.id, type: long",
            "field: client.address, port: client.prt, type: address_port",
            "shop.yaml:13:41: no such field of the schema: client.prt (did you mean 'client.port'?)",
        ),
        ("attribute: order.id, type: long", "attribute: order.id, type: address", "shop.yaml:13:5: a column of type address needs a field"),
        ("type: long,", "type: long, host: a.b,", "shop.yaml:13:51: only a column of type address has a host"),
        ("bad: ERROR", "bad: EROR", "shop.yaml:11:35: no such severity: EROR (did you mean 'ERROR'?)"),
        ("service.name", "service.nam", "shop.yaml:15:13: no such field of the schema: service.nam (did you mean 'service.name'?)"),
        ("duration_s: 0.0415", "duraton_s: 0.0415", "shop.yaml:18:11: no such field of the schema: duraton_s (did you mean 'duration_s'?)"),
        ("  - line: 'ORDER 17 41.5'\n    row:", "  - row:", "shop.yaml:17:5: a test is a mapping with a line and a row"),
        ("description: Orders.\n", "", "shop.yaml:1:1: the key `description` is missing"),
        ("description: Orders.", "description: [a]", "shop.yaml:2:1: description is a text"),
        ("detect:\n", "detect: &a\n", "shop.yaml:3:9: anchors and aliases are not taken"),
        ("description: Orders.", "description: Orders.\nname: x.y", "shop.yaml:3:1: the key 'name' is there twice"),
        ("one_of: []", "one_of: {a: 1}", "shop.yaml:13:51: one_of is a list of texts"),
        ("patterns: ['", "patterns: '", "shop.yaml:9"),
        ("constants: {service.name: orders}", "constants: []", "shop.yaml:15:1: constants is a mapping of fields to values"),
        ("columns:\n", "columns:\n  - text\n", "shop.yaml:13:5: a column is a mapping with source and field or attribute"),
        ("words: {bad: ERROR}", "words: bad", "shop.yaml:11:27: words is a mapping of the log's words to severities"),
        ("  log_groups: ['^/shop/']", "  log_groups: 5", "shop.yaml:4:3: log_groups is a list"),
        ("options:\n  patterns: ['^ORDER (?P<id>[0-9]+) (?P<took>[0-9.]+)$']\n", "", "shop.yaml:1:1: the reader `pattern` needs options.patterns"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(FileError) as caught:
        read(GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("[0].id", "a path begins with the name of a list: [0].id"),
        ("a[0", "no bracket that is closed at character 2 of a[0"),
        ("a]", "a path begins with the name of a list: a]"),
        ("a[]", "in brackets is a number, or a member and its text with = between, and not ``: a[]"),
        ("a[-1]", "in brackets is a number, or a member and its text with = between, and not `-1`: a[-1]"),
        ("a[name=]", "in brackets is a number, or a member and its text with = between, and not `name=`: a[name=]"),
        ("a[0]b", "behind a bracket stands a point and a member, and not `b`: a[0]b"),
        ("a[0].b..c", "behind a bracket stands a point and a member, and not `.b..c`: a[0].b..c"),
        ("a[0].b]", "behind a bracket stands a point and a member, and not `.b]`: a[0].b]"),
        ("a[1234567]", "in brackets is a number, or a member and its text with = between, and not `1234567`: a[1234567]"),
    ],
)
def test_a_path_that_is_none_is_named_with_its_place(path: str, message: str) -> None:
    text = GOOD.replace(
        "reader: pattern\noptions:\n  patterns: ['^ORDER (?P<id>[0-9]+) (?P<took>[0-9.]+)$']\n", f"reader: json\nnames:\n  id: [order, '{path}']\n"
    )
    with pytest.raises(FileError) as caught:
        read(text)
    assert str(caught.value) == f"shop.yaml:9:15: {message}"


def test_a_severity_may_have_several_sources_and_one_for_lines_that_have_none() -> None:
    text = GOOD.replace("{source: level, words: {bad: ERROR}}", "{source: [took, id], words: {'17': WARN, '*': ERROR}}").replace("[0-9]+", "[0-9]*")
    formats = load_formats().having(read(text.replace("<took>[0-9.]+", "<took>[0-9.]*").replace("service.name: orders", "severity_text: INFO")))
    severities = [
        (row.get("severity_text"), row.get("severity_number"))
        for row in (row_of(line, formats) for line in ("ORDER 17 5.5", "ORDER 17 ", "ORDER  ", "ORDER x"))
    ]
    assert severities == [("ERROR", 17), ("WARN", 13), ("INFO", 9), (None, None)]


@pytest.mark.parametrize(("said", "attribute"), [("", "client.host"), (", host: order.from", "order.from")])
def test_an_address_is_one_or_the_name_of_a_host(said: str, attribute: str) -> None:
    one = read(
        GOOD.replace("(?P<id>[0-9]+)", "(?P<id>.+)").replace("attribute: order.id, type: long, one_of: []", f"field: client.address, type: address{said}")
    )
    formats = load_formats().having(one)
    assert formats.declared()[attribute] is FieldType.KEYWORD
    named, known, nothing = (row_of(f"ORDER {text} 41.5", formats) for text in ("sts.amazonaws.com", "2001:DB8:0::1", "-"))
    assert (named.get("client.address"), named["attributes"], named["parse_status"]) == (None, f'{{"{attribute}":"sts.amazonaws.com"}}', "parsed")
    assert (known["client.address"], known.get("attributes")) == ("2001:db8::1", None)
    assert (nothing.get("client.address"), nothing.get("attributes")) == (None, None)


def test_a_good_file_is_read_and_its_tests_run() -> None:
    one = read(GOOD)
    formats = load_formats().having(one)
    assert list(run_tests(one, formats)) == []
    assert formats.declared()["order.id"] is FieldType.LONG
    assert row_of("ORDER 17 41.5", formats)["log.format"] == "shop.orders"


def test_a_test_that_fails_says_what_was_expected_and_where() -> None:
    one = read(GOOD.replace("0.0415", "0.5"))
    assert list(run_tests(one, load_formats().having(one))) == ["shop.yaml:17: duration_s is 0.0415, not 0.5"]


def test_a_users_file_wins_over_ours_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD.replace("shop.orders", "app.json"), "utf-8")
    assert load_formats(tmp_path).get("app.json").description == "Orders."


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such folder of formats"):
        load_formats(tmp_path / "none")


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(FileError, match=r"aws.albb: no such format \(did you mean 'aws.alb'\?\)"):
        load_formats().get("aws.albb")


FORMATS = load_formats()
SEEDS = [GOOD, *(path.read_text("utf-8") for path in sorted(OURS.rglob("*.yaml")))]


@given(
    seed=st.sampled_from(SEEDS),
    at=st.floats(0, 1),
    cut=st.integers(0, 30),
    put=st.sampled_from(["", "x", ": ", "- ", "{", "[", "'", "&a ", "*a", "\n", "\t", "null", "0", "\x00", "(", "!!python/object:os.system "]),
)
def test_a_mutated_file_is_read_or_refused_with_its_name(seed: str, at: float, cut: int, put: str) -> None:
    place = int(at * len(seed))
    try:
        one = read(seed[:place] + put + seed[place + cut :])
        list(run_tests(one, FORMATS.having(one)))
    except FileError as error:
        assert str(error).startswith("shop.yaml")
