"""Settings that are references are asked for once; a value is itself."""

import pytest

from tailrace.aws import client
from tailrace.errors import SettingError
from tailrace.secrets import secret
from tailrace.settings import Settings


@pytest.mark.parametrize("value", ["", "plain", "with:colon", "https://x"])
def test_a_value_is_itself(value: str) -> None:
    assert secret(value, Settings()) == value


def test_references_are_read_and_what_is_not_there_is_named(emulator: Settings) -> None:
    client("ssm", emulator).put_parameter(Name="/tailrace/key", Value="from ssm", Type="SecureString", Overwrite=True)
    client("secretsmanager", emulator).create_secret(Name="tailrace-key", SecretString="from secrets manager")
    assert secret("ssm:/tailrace/key", emulator) == "from ssm"
    assert secret("secretsmanager:tailrace-key", emulator) == "from secrets manager"
    for reference in ("ssm:/tailrace/none", "secretsmanager:none"):
        with pytest.raises(SettingError, match=f"{reference} cannot be read"):
            secret(reference, emulator)
