"""The readers: a format and a column of lines go in, columns of texts and a verdict on every line come out.

Each reads whole columns; none makes a Python object for a line that is as its format says (the JSON reader makes one struct of known fields).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from collectors.readers import csv_rows, delimited, json_lines, key_value, otlp, pattern, plain, xml
from collectors.readers.fields import Reader

READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "json": json_lines.read,
        "otlp": otlp.read,
        "delimited": delimited.read,
        "csv": csv_rows.read,
        "key_value": key_value.read,
        "pattern": pattern.read,
        "plain": plain.read,
        "xml": xml.read,
    }
)
