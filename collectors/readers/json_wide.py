"""JSON objects of sources whose lines have few of very many members (audit trails): a dictionary a line, flattened.

A struct that knows all members costs more with each of them, whether a line has them or not; here a line costs what its own members do.
"""

from collections.abc import MutableMapping, Sequence
from typing import Final

import msgspec

from collectors.readers.fields import Fields
from collectors.readers.json_care import REFUSED, Care
from collectors.readers.names import Names
from collectors.readers.objects import Flat, fields_of, flatten
from tailrace.schema import FieldType

_DECODE: Final = msgspec.json.Decoder().decode


def read(names: Names, texts: Sequence[str], types: MutableMapping[str, FieldType]) -> Fields:
    """Answer the columns and attributes of lines; ``types`` learns those of attributes."""
    care, careful, rows = Care(), list[int](), list[Flat]()
    for number, text in enumerate(texts):
        flat: Flat = {}
        rows.append(flat)
        try:
            value = _DECODE(text)
        except REFUSED:
            value = care.read(text, number)
            careful.append(number)
        if value.__class__ is dict:
            flatten(value, names.prefix, flat)
        elif value is not None or number not in care.reasons:
            care.object_of(value, number)
    return fields_of(rows, names, types, care, careful)
