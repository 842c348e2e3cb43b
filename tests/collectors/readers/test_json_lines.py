"""JSON lines: the columns and attributes are those that the json module finds, whatever the shapes are and in whatever order they come."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.format import Format
from collectors.format_file import parse_format
from collectors.parse import parse_lines
from collectors.readers import json_care, json_lines, json_shape, objects
from collectors.readers.names import MAX_DEPTH, names_of
from tailrace.fields import AttributeRegister
from tailrace.schema import FieldType
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import attributes, formats, lines_of, parsed, rows

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
KEYS = st.sampled_from(["a", "b", "a.b", "c", "", 'q"uote', "é", "message", "level", "status", "host", "trace_id", "service", "order", "http", "x y"])
VALUES = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8)
NAMES = names_of(formats().get("app.json"))
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


@pytest.fixture(params=["struct", "open", "dictionary"], scope="module", autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """All ways of reading: lines of a source with few members, with objects of very many, and with very many themselves."""
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "dictionary":
            patched.setattr(json_shape, "WIDE_KEYS", -1)
        if request.param == "open":
            patched.setattr(json_shape, "OPEN_KEYS", -1)
            patched.setattr(json_shape, "KEPT_KEYS", -1)
        yield request.param


def flattened(value: dict[str, Any], prefix: str = "", depth: int = 1) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict) and member and depth < MAX_DEPTH:
            flat |= flattened(member, f"{prefix}{name}.", depth + 1)
        else:
            flat[f"{prefix}{name}"] = member
    return flat


def expected_message(flat: dict[str, Any], line: str) -> str:
    found = next((flat[name] for name in NAMES.columns["message"] if isinstance(flat.get(name), str | int | float)), None)
    if found is None:
        return line
    return found if isinstance(found, str) else json.dumps(found)


def comparable(value: Any) -> Any:
    """Lone surrogates cannot be kept; 1.0 and 1 are the same in Python."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


@given(batch=st.lists(OBJECTS, min_size=1, max_size=12))
def test_attributes_and_messages_are_those_of_the_json_module(batch: list[dict[str, Any]]) -> None:
    lines = [json.dumps(value, ensure_ascii=False) for value in batch]
    for value, line, row in zip(batch, lines, rows(lines, "app.json"), strict=True):
        flat = flattened(value)
        own = {name: member for name, member in flat.items() if name not in NAMES.of}
        found = {name: member for name, member in attributes(row).items() if name not in NAMES.of}
        assert row["parse_status"] == "parsed"
        assert without_nulls(found) == without_nulls(comparable(own))
        assert row["message"] == expected_message(flat, line).encode("utf-8", "replace").decode()
        assert row.get("raw", line) == line


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """What is null or empty is as good as not there: it may be left out."""
    return {name: member for name, member in value.items() if member is not None and member != {}}


@given(batch=st.lists(OBJECTS, min_size=2, max_size=8))
def test_what_is_read_of_a_line_does_not_depend_on_what_came_before(batch: list[dict[str, Any]]) -> None:
    lines = [json.dumps(value) for value in batch]
    together = [(row["message"], without_nulls(attributes(row))) for row in rows(lines, "app.json")]
    alone = [(row["message"], without_nulls(attributes(row))) for line in lines for row in rows([line], "app.json")]
    assert together == alone


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"a":1', "no JSON: Expecting ',' delimiter at column 7"),
        ('{"a":1} x', "no JSON: Extra data at column 9"),
        ("[1,2]", "no JSON object but list"),
        ('"text"', "no JSON object but str"),
        ("", "no JSON: Expecting value at column 1"),
        ("{" + '"a":{' * 200_000, "no JSON that can be read: nested too deep"),
        ('{"a":' + "[" * 200_000 + "]" * 200_000 + "}", "no JSON that can be read: nested too deep"),
        ('{"a":' + "9" * 5_000 + "}", "no JSON that can be read: a number has too many digits"),
        ('{"a":"x\ty","b":}', "no JSON: Expecting value at column 16"),
    ],
)
def test_a_line_that_is_no_json_says_where_it_stops(line: str, error: str) -> None:
    (row,) = rows([line], "app.json")
    assert (row["parse_status"], row["parse_error"], row["message"]) == ("failed", error, line)
    assert "raw" not in row


def test_a_bad_line_costs_its_neighbours_nothing() -> None:
    good = [json.dumps({"message": f"m{number}", "n": number}) for number in range(50)]
    lines = [*good[:20], "{", *good[20:], "{"]
    found = rows(lines, "app.json")
    assert [row["parse_status"] for row in found] == [*["parsed"] * 20, "failed", *["parsed"] * 30, "failed"]
    assert [attributes(row).get("n") for row in found] == [*range(20), None, *range(20, 50), None]


def test_long_batches_are_cut_and_put_together() -> None:
    lines = [
        json.dumps({"message": f"m{n}", "n": n} | ({"status": n} if n < 3_000 else {"status": f"s{n}"}) | ({"late": n} if n > 4_000 else {}))
        for n in range(5_000)
    ]
    found = rows(lines, "app.json")
    assert [row["message"] for row in found] == [f"m{n}" for n in range(5_000)]
    assert [row.get("http.response.status_code") for row in found] == [n if n < 3_000 else None for n in range(5_000)]
    assert attributes(found[4_500]) == {"n": 4_500, "late": 4_500, "status": "s4500"}


def test_the_byte_order_mark_and_blanks_around_are_no_fault() -> None:
    found = rows(['\ufeff{"message":"a"}', ' \t{"message":"b"} '], "app.json")
    assert [(row["message"], row["parse_status"]) for row in found] == [("a", "parsed"), ("b", "parsed")]


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "nul\x00", "\ud800", "", "\u2028", "x" * 10_000])
def test_a_name_may_hold_anything(name: str) -> None:
    line = json.dumps({"message": "m", name: 1, "o": {name: {"n": 2}}})
    kept = name.encode("utf-8", "replace").decode()
    assert [attributes(row) for row in rows([line] * 3, "app.json")] == [{kept: 1, f"o.{kept}.n": 2}] * 3


def test_the_last_of_two_members_of_one_name_wins_on_both_ways() -> None:
    lines = ['{"message":"a","n":1,"n":2}'] * 3
    assert [attributes(row) for row in rows(lines, "app.json")] == [{"n": 2}] * 3


def test_line_feeds_between_members_do_not_cut_attributes() -> None:
    lines = ['{"message":"a","list":[1,\n2]}', '{"message":"b","list":[3]}'] * 2
    assert [attributes(row)["list"] for row in rows(lines, "app.json")] == [[1, 2], [3], [1, 2], [3]]


def test_a_member_that_is_null_where_others_are_objects() -> None:
    lines = ['{"user":{"id":1}}', '{"user":null}', '{"user":{"id":2}}', "{}"]
    found = [without_nulls(attributes(row)) for row in rows(lines, "app.json")]
    assert found == [{"user.id": 1}, {}, {"user.id": 2}, {}]


@pytest.mark.parametrize("first", ['{"x":1}', '{"x":{"y":1}}'])
def test_a_member_that_is_now_an_object_and_now_none(first: str) -> None:
    lines = [first, *['{"x":1}', '{"x":{"y":1}}', '{"message":"m"}'] * 3]
    found = [attributes(row) for row in rows(lines, "app.json")]
    assert found[1:] == [{"x": 1}, {"x.y": 1}, {}] * 3


def test_what_the_json_module_cannot_read_and_nobody_needs_to_is_kept_as_it_is(way: str) -> None:
    deep, long = "[" * 600 + "]" * 600, "9" * 5_000
    lines = ['{"message":"m","x":1,"y":[]}', f'{{"message":"m","x":{{"n":{long}}},"y":{deep}}}']
    found = rows([*lines, *lines], "app.json")
    if way == "dictionary":
        assert [(row["parse_status"], row["message"]) for row in found] == [("parsed", "m"), ("failed", lines[1])] * 2
        return
    assert [(row["parse_status"], row["message"]) for row in found] == [("parsed", "m")] * 4
    assert found[3]["attributes"] == f'{{"x":{{"n":{long}}},"y":{deep}}}'


def test_a_source_that_becomes_wide_is_read_all_the_same() -> None:
    lines = [json.dumps({f"key{n}": n, "message": "m"}) for n in range(json_shape.WIDE_KEYS + 50)]
    assert [attributes(row) for row in rows(lines, "app.json")] == [{f"key{n}": n} for n in range(len(lines))]


def test_an_object_where_none_was_before_is_flattened_in_later_batches_too() -> None:
    source = "test: batches"
    lines = ['{"message":"m","x":1}', '{"message":"m","x":{"y":{"z":1}}}', '{"message":"m","x":{"y":2}}', '{"message":"m","x":[{"y":{"z":1}}]}', '{"x":{ }}']
    found = [attributes(row) for line in lines for row in rows([line] * 2, "app.json", source=source)]
    assert [without_nulls(value) for value in found[::2]] == [{"x": 1}, {"x.y.z": 1}, {"x.y": 2}, {"x": [{"y": {"z": 1}}]}, {}]
    assert found[1::2] == found[::2]


def wide(number: int) -> dict[str, Any]:
    """A line of an audit trail: a few members that all have, and an object with others in every line."""
    asked = {f"key{number}": number, "user": {"name": "jo", f"deep{number}": [number]}, "status": 200 + number % 3}
    return {"message": f"m{number}", "request": asked, "answer": {"same": None}, "http": {"request": {"method": "GET"}}}


def test_a_source_with_objects_of_very_many_members_is_read_all_the_same() -> None:
    lines = [json.dumps(wide(number)) for number in range(json_shape.WIDE_KEYS + 50)]
    found = rows(lines, "app.json")
    for number, row in enumerate(found):
        kept = {f"request.key{number}": number, "request.user.name": "jo", f"request.user.deep{number}": [number], "request.status": 200 + number % 3}
        assert without_nulls(attributes(row)) == kept
        assert (row["message"], row["http.request.method"]) == (f"m{number}", "GET")


def test_columns_in_objects_of_very_many_members_are_found() -> None:
    lines = [
        json.dumps({"response": {"status": number, f"n{number}": 1}} | ({"status": 7} if number % 2 else {})) for number in range(json_shape.WIDE_KEYS + 50)
    ]
    found = rows(lines, "app.json")
    assert [row["http.response.status_code"] for row in found] == [7 if number % 2 else number for number in range(len(lines))]
    assert [attributes(row).get("response.status") for row in found] == [number if number % 2 else None for number in range(len(lines))]


def test_a_dotted_member_beside_an_object_of_very_many_is_one_of_them() -> None:
    lines = [json.dumps({"message": "m", "o": {f"n{number}": 1, "x": 1}}) for number in range(json_shape.WIDE_KEYS + 50)]
    found = rows([*lines, '{"o":{"x":1},"o.x":2}', '{"o.x":2,"o":{"x":1}}', *lines], "app.json")
    middle = len(lines)
    assert [attributes(row) for row in found[middle : middle + 2]] == [{"o.x": 2}, {"o.x": 1}]
    assert attributes(found[-1]) == {f"o.n{middle - 1}": 1, "o.x": 1}


def test_types_of_members_in_objects_of_very_many_are_learned() -> None:
    register = AttributeRegister()
    parsed([json.dumps({"message": "m", "o": {f"n{number}": number, "l": [1]}}) for number in range(json_shape.WIDE_KEYS + 50)], "app.json", register)
    assert {register.types()[f"o.n{number}"] for number in range(json_shape.WIDE_KEYS + 50)} == {FieldType.LONG}
    assert "o.l" not in register.types()


def test_keys_that_are_ids_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (objects, json_shape):
        monkeypatch.setattr(module, "MAX_TYPES", 400)
    lines = [json.dumps({"message": "m", "o": {f"{batch}-{number}": 1 for number in range(20)}}) for batch in range(200)]
    found = [attributes(row) for start in range(0, 200, 10) for row in rows(lines[start : start + 10], "app.json", source="test: ids")]
    assert found == [{f"o.{batch}-{number}": 1 for number in range(20)} for batch in range(200)]
    shape = json_lines._shape_of(formats().get("app.json"), "test: ids")
    assert len(shape.types) <= 400 + 10 * 20


def test_a_line_of_a_hundred_thousand_bytes_and_many_levels() -> None:
    deep: dict[str, Any] = {"leaf": 1}
    for level in range(30):
        deep = {f"l{level}": deep, "text": "x" * 4_000}
    lines = [json.dumps({"message": "m", "o": deep}), '{"message":"m","o":null}', json.dumps({"message": "m", "o": deep})]
    found = rows(lines, "app.json")
    assert [row["parse_status"] for row in found] == ["parsed"] * 3
    assert attributes(found[0]) == flattened({"o": deep}) == attributes(found[2])


PATHS = """name: test.paths
description: Lists.
reader: json
options: {prefix: p.}
names:
  host: [hosts.name, "headers[name=Host].value", "h.names[1]"]
  agent: ["headers[name=user-agent].value"]
  first: ["resources[0].ARN", arn]
  inner: ["a.b[1].c[id=X].d.e"]
  count: ["counts[0][1]"]
message: first
columns:
  - {source: host, field: url.domain}
  - {source: agent, field: user_agent.original}
  - {source: inner, attribute: inner}
  - {source: count, attribute: count, type: long}
tests: []
"""
PATH_LINES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (
        {"headers": [{"name": "x", "value": "y"}, {"name": "hOST", "value": "a"}, {"name": "User-Agent", "value": "curl"}]},
        {"url.domain": "a", "user_agent.original": "curl"},
    ),
    ({"hosts": {"name": "b"}, "headers": [{"name": "host", "value": "a"}]}, {"url.domain": "b"}),
    ({"h": {"names": ["x", "c"]}, "headers": [{"name": "host"}]}, {"url.domain": "c"}),
    ({"h": {"names": ["x"]}, "headers": [1, None, {"value": "v"}, {"name": 7}]}, {}),
    ({"headers": None, "resources": [{"ARN": "r"}, {"ARN": "s"}], "arn": "t"}, {"message": "r"}),
    ({"headers": "host", "resources": [], "arn": "t"}, {"message": "t"}),
    ({"headers": {"name": "Host"}, "resources": {"ARN": "r"}}, {}),
    ({"a": {"b": [0, {"c": [{"id": "x", "d": {"e": 1.5}}]}]}, "counts": [[1, 2]]}, {"inner": "1.5", "count": 2}),
    ({"a.b": [0, {"c": [{"id": "X", "d": {"e": "dotted"}}]}]}, {"inner": "dotted"}),
    ({"headers": [{"name": "host", "value": "first"}, {"name": "Host", "value": "second"}]}, {"url.domain": "first"}),
    ({"a": {"b": [0, {"c": [{"id": "x", "d": [{"e": 1}]}]}]}, "counts": [[1, {"n": 2}]]}, {}),
)


def paths_format() -> Format:
    return parse_format(parse_yaml(PATHS.encode(), "paths.yaml"))


@pytest.mark.parametrize("order", [1, -1])
def test_columns_are_found_by_paths_through_lists_and_the_lists_stay(order: int) -> None:
    cases = [*PATH_LINES, *PATH_LINES][::order]
    made = formats().having(paths_format())
    texts = [json.dumps(value) for value, _ in cases]
    found = parse_lines(lines_of(texts, "test.paths"), made, AttributeRegister()).logs.to_pylist()
    for (value, expected), text, row in zip(cases, texts, found, strict=True):
        kept = json.loads(row["attributes"] or "{}")
        own = {name: kept.pop(name) for name in ("inner", "count") if name in kept}
        assert own == {name: expected[name] for name in ("inner", "count") if name in expected}
        assert (row["url_domain"], row["user_agent_original"]) == (expected.get("url.domain"), expected.get("user_agent.original"))
        assert row["message"] == expected.get("message", text)
        used = {"arn"} if row["message"] == "t" else {"hosts.name"} if row["url_domain"] == "b" else set()
        assert without_nulls(kept) == without_nulls({f"p.{name}": member for name, member in flattened(value).items() if name not in used})


def test_a_line_with_an_object_in_the_place_of_a_list_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, register = formats().having(paths_format()), AttributeRegister()
    texts = ['{"a":{"b":{"x":1}}}', *['{"a":{"b":[1,{"c":[{"id":"X","d":{"e":"f"}}]}]}}'] * 3]
    first = parse_lines(lines_of(texts, "test.paths", source="test: lists"), made, register).logs
    monkeypatch.setattr(json_care.Care, "read", lambda *_: pytest.fail("it was read with care"))
    second = parse_lines(lines_of(texts[1:], "test.paths", source="test: lists"), made, register).logs
    assert first["attributes"].to_pylist()[1:] == second["attributes"].to_pylist()
    assert json.loads(first["attributes"].to_pylist()[0] or "") == {"p.a.b.x": 1}


def test_a_path_through_a_list_that_cannot_be_read_leads_nowhere() -> None:
    texts = ['{"resources":[{"ARN":"r"}]}', '{"resources":[{"ARN":"r","n":' + "[" * 600 + "]" * 600 + "}]}"]
    found = parse_lines(lines_of(texts * 2, "test.paths"), formats().having(paths_format()), AttributeRegister()).logs
    assert found["message"].to_pylist()[::2] == ["r", "r"]
    assert len(found) == 4


def test_types_are_learned_once_a_name() -> None:
    register = AttributeRegister()
    parsed(['{"message":"m","n":1,"f":1.5,"s":"x","b":true,"o":{"n":1},"l":[1],"z":null}', '{"message":"m","n":"text"}'], "app.json", register)
    learned = {"n": FieldType.LONG, "f": FieldType.DOUBLE, "s": FieldType.KEYWORD, "b": FieldType.BOOLEAN, "o.n": FieldType.LONG}
    assert dict(register.types()) == learned


@pytest.mark.parametrize(
    ("level", "severity"), [("warning", "WARN"), ("Information", "INFO"), (30, "INFO"), (3, "ERROR"), ("CRIT", "FATAL"), ("[debug]", "DEBUG"), ("audit", None)]
)
def test_levels_of_all_libraries_are_six(level: object, severity: str | None) -> None:
    (row,) = rows([json.dumps({"message": "m", "level": level})], "app.json")
    assert row.get("severity_text") == severity
    assert attributes(row) == ({} if severity else {"level": level})


def test_of_several_names_of_a_column_the_best_is_taken_and_the_others_stay() -> None:
    lines = ['{"msg":"b","message":"a","event":"e"}', '{"msg":"b","event":"e"}', '{"event":"e"}'] * 2
    found = [(row["message"], attributes(row)) for row in rows(lines, "app.json")]
    assert found == [("a", {"msg": "b", "event": "e"}), ("b", {"event": "e"}), ("e", {})] * 2


def test_a_million_bytes_are_one_line() -> None:
    text = "x" * (1 << 20)
    (row,) = rows([json.dumps({"message": text, "n": 1})], "app.json")
    assert (row["message"], attributes(row)) == (text, {"n": 1})


def test_sources_are_forgotten_when_there_are_too_many() -> None:
    line: pa.StringArray = pa.array(['{"message":"m"}'])
    for number in range(json_lines.MAX_SHAPES + 5):
        json_lines.read(formats().get("app.json"), line, f"source {number}")
    assert len(json_lines._SHAPES) <= json_lines.MAX_SHAPES


def test_a_number_with_a_fraction_is_never_cut_to_a_whole_one() -> None:
    found = rows(['{"status": 0.5}', '{"status": 200.0}', '{"status": 201}'], "app.json")
    assert [row.get("http.response.status_code") for row in found] == [None, 200, 201]
    assert attributes(found[0]) == {"status": "0.5"}
    assert attributes(rows(['{"status": 0.5}'], "app.json")[0]) == {"status": "0.5"}
