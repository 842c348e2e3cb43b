"""Plain text: level, trace id and request id are found where they stand, and prose is no level."""

import pytest

from tests.collectors.readers.samples import rows


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("2026-11-24 ERROR x", "ERROR"),
        ("INFO: started", "INFO"),
        ("[Sun Dec 04 04:47:44 2005] [error] mod_jk", "ERROR"),
        ("[core:notice] [pid 5]", None),
        ("ts=1 level=warn msg=x", "WARN"),
        ("<critical> x", "FATAL"),
        ("no error here, for your information", None),
        ("Traceback (most recent call last):", "ERROR"),
        ("TERRORS", None),
        ("", None),
    ],
)
def test_a_level_word_is_found(line: str, severity: str | None) -> None:
    (row,) = rows([line], "text.plain")
    assert row.get("severity_text") == severity
    assert (row["message"], row["parse_status"]) == (line, "parsed")


def test_ids_are_found() -> None:
    line = "done Root=1-67891233-abcdef012345678912345678 requestId: 8e6a5d4c-1b2a-4c3d-9e8f-0a1b2c3d4e5f"
    (row,) = rows([line])
    assert (row["trace_id"], row["aws.request_id"], row["log.format"]) == (
        "67891233abcdef012345678912345678",
        "8e6a5d4c-1b2a-4c3d-9e8f-0a1b2c3d4e5f",
        "text.plain",
    )
