"""What a source's shape learns of its lines: members that come again, and not those of a line that is like no other."""

import json

from collectors.readers import json_lines, json_shape
from tailrace.schema import FieldType
from tests.collectors.readers.samples import attributes, formats, rows


def test_rare_members_of_few_lines_make_no_source_wide() -> None:
    usual = [json.dumps({"message": "m", "n": number}) for number in range(400)]
    odd = [json.dumps({f"x{number}-{at}": {"y": [at]} for at in range(60)}) for number in range(4)]
    for _ in range(3):
        found = rows([*usual[:300], *odd, *usual[300:]], "app.json", source="test: rare")
    assert [attributes(row) for row in found[300:304]] == [{f"{name}.y": value["y"] for name, value in json.loads(line).items()} for line in odd]
    shape = json_lines._shape_of(formats().get("app.json"), "test: rare")
    assert not shape.is_wide
    assert shape.types["n"] is FieldType.LONG


def test_members_that_come_again_and_again_are_learned() -> None:
    usual = [json.dumps({"message": "m", "n": number}) for number in range(400)]
    late = json.dumps({"message": "m", "late": 1.5})
    for _ in range(json_shape.RARE + 1):
        assert attributes(rows([*usual, late], "app.json", source="test: late")[-1]) == {"late": 1.5}
    shape = json_lines._shape_of(formats().get("app.json"), "test: late")
    assert shape.plan.decode(late) is not None
    assert shape.types["late"] is FieldType.DOUBLE
