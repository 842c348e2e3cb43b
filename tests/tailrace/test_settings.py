"""Settings: where each value comes from, and what is said of a wrong one."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import FileError, SettingError
from tailrace.settings import MEANINGS, Settings, environment, load


def test_later_layers_win_and_say_where_they_are_from(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('region = "eu-west-1"\ngateway_port = 1\nxray_port = 5\n')
    env = {"TAILRACE_CONFIG": str(file), "TAILRACE_GATEWAY_PORT": "2", "TAILRACE_DASHBOARD_PORT": "3"}
    loaded = load({"dashboard_port": 4}, env)
    settings = loaded.settings
    assert (settings.region, settings.gateway_port, settings.dashboard_port, settings.xray_port) == ("eu-west-1", 2, 4, 5)
    assert loaded.origins["region"] == str(file)
    assert loaded.origins["gateway_port"] == "environment"
    assert loaded.origins["dashboard_port"] == "command line"
    assert loaded.origins["home"] == "default"


def test_the_folders_follow_home() -> None:
    settings = Settings(home=Path("/h"))
    assert settings.lake_location == "/h/lake"
    assert settings.rules_folder == Path("/h/rules")
    assert Settings(home=Path("/h"), lake="s3://b/p", rules="r").lake_location == "s3://b/p"
    assert Settings(rules="r").rules_folder == Path("r")
    assert {settings.spool_folder.parent, settings.dead_folder.parent, settings.ledger_path.parent} == {Path("/h")}
    assert {settings.alerts_path.parent, settings.dead_log_path.parent, settings.register_path.parent} == {Path("/h")}


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"environment: no such setting: gateway_prt \(did you mean 'gateway_port'\?\)"):
        load({}, {"TAILRACE_GATEWAY_PRT": "1"})


def test_a_value_of_another_type_is_named() -> None:
    with pytest.raises(SettingError, match="environment: gateway_port = 'many'"):
        load({}, {"TAILRACE_GATEWAY_PORT": "many"})


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        load({}, {"TAILRACE_CONFIG": str(tmp_path / "none.toml")})


@given(st.binary(max_size=80))
def test_any_file_gives_settings_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("settings") / "tailrace.toml"
    path.write_bytes(content)
    try:
        load({}, {"TAILRACE_CONFIG": str(path)})
    except (FileError, SettingError) as error:
        assert str(path) in str(error)


def test_every_setting_says_what_it_means() -> None:
    assert all(MEANINGS[field.name] for field in fields(Settings))


def test_the_environment_is_there_to_hand_on() -> None:
    assert "PATH" in environment()
