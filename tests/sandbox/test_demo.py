"""How the demo is put together: ports, parts, home folder."""

import socket
from pathlib import Path

import pytest

from alerts.rule_file import read_rules
from sandbox import demo
from sandbox.demo import EXAMPLE_RULES, HISTORY_US, Stack, choose, demo_parts, ingest_parts, prepare, read_seen, write_seen
from sandbox.incidents import board_path, read_board
from sandbox.supervisor import Supervisor
from tailrace.clock import US_PER_MINUTE, US_PER_S, ManualClock
from tailrace.errors import SettingError
from tailrace.settings import MEANINGS, Settings, load

NOW_US = 1_790_000_000 * US_PER_S


def stack(tmp_path: Path) -> Stack:
    return Stack(Settings(home=tmp_path, aws_endpoint_url="http://127.0.0.1:5"), 5, 6)


def test_ports_that_nobody_asked_for_are_chosen_free(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        loaded = load({"home": tmp_path}, environment={})
        settings = loaded.settings
        chosen = choose(loaded)
    assert chosen.settings.home == tmp_path.absolute()
    assert chosen.settings.gateway_port
    assert chosen.endpoint == chosen.settings.aws_endpoint_url
    assert chosen.settings.duckdb_memory == demo.DUCKDB_MEMORY != settings.duckdb_memory


def test_a_taken_port_that_was_asked_for_ends_the_demo_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=f"dashboard_port = {port}: the port is taken by process"):
            choose(load({"home": tmp_path, "dashboard_port": port}, environment={}))


def test_what_the_user_set_is_kept(tmp_path: Path) -> None:
    chosen = choose(load({"home": tmp_path}, environment={"TAILRACE_DUCKDB_MEMORY": "2GB", "TAILRACE_RULES": "mine"}))
    assert chosen.settings.duckdb_memory == "2GB"
    assert chosen.environment["TAILRACE_RULES"] == "mine"


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EXTRAS", ("click", "no_such_package"))
    with pytest.raises(SettingError, match=r"not installed \(no_such_package\): pip install 'tailrace\[sandbox\]'"):
        choose(load({"home": tmp_path}, environment={}))


def test_every_part_gets_every_setting_and_no_real_credentials(tmp_path: Path) -> None:
    for part in demo_parts(stack(tmp_path), (1, 2)):
        assert load(environment={key: value for key, value in part.environment.items() if key.startswith("TAILRACE_")}).settings == stack(tmp_path).settings
        assert len([key for key in part.environment if key.startswith("TAILRACE_")]) == len(MEANINGS)
        assert part.environment["AWS_ACCESS_KEY_ID"] == "test"


def test_parts_can_be_ordered_and_the_check_needs_no_shop(tmp_path: Path) -> None:
    whole, check = demo_parts(stack(tmp_path), (1, 2)), ingest_parts(stack(tmp_path))
    Supervisor(whole, tmp_path, tell=print)
    Supervisor(check, tmp_path, tell=print)
    assert {part.name for part in whole} - {part.name for part in check} == {"dashboard", "shop", "load", "history"}
    assert "history" not in {part.name for part in demo_parts(stack(tmp_path), None)}


def test_the_history_is_not_made_again_when_a_part_is_started_again(tmp_path: Path) -> None:
    (history,) = [part for part in demo_parts(stack(tmp_path), (1, 2)) if part.name == "history"]
    assert history.once
    assert not history.again


def test_the_first_start_makes_an_hour_of_history_and_copies_the_rules(tmp_path: Path) -> None:
    assert prepare(stack(tmp_path), ManualClock(NOW_US)) == (NOW_US - HISTORY_US, NOW_US)
    assert read_board(board_path(tmp_path)).began_us == NOW_US
    assert {path.name for path in (tmp_path / "rules").iterdir()} == {path.name for path in EXAMPLE_RULES.iterdir()}


def test_a_later_start_fills_the_gap_alone_and_leaves_the_rules_as_they_are(tmp_path: Path) -> None:
    prepare(stack(tmp_path), ManualClock(NOW_US))
    (tmp_path / "rules" / "failed-checkout.yaml").unlink()
    write_seen(tmp_path, NOW_US + 5 * US_PER_MINUTE)
    later = NOW_US + 15 * US_PER_MINUTE
    assert prepare(stack(tmp_path), ManualClock(later)) == (NOW_US + 5 * US_PER_MINUTE, later)
    assert not (tmp_path / "rules" / "failed-checkout.yaml").exists()


def test_a_start_right_after_the_end_makes_no_history(tmp_path: Path) -> None:
    write_seen(tmp_path, NOW_US)
    assert prepare(stack(tmp_path), ManualClock(NOW_US + 30 * US_PER_S)) is None


@pytest.mark.parametrize("content", [b"", b"soon", b"\xff\xfe", b"-"])
def test_an_unreadable_mark_of_the_last_run_counts_as_none(tmp_path: Path, content: bytes) -> None:
    write_seen(tmp_path, 1)
    (tmp_path / "demo" / "seen").write_bytes(content)
    assert read_seen(tmp_path) == 0


def test_while_it_runs_it_writes_down_that_it_does(tmp_path: Path) -> None:
    clock = ManualClock(NOW_US)
    never = demo._keep_seen(tmp_path, clock)
    assert not never()
    assert read_seen(tmp_path) == 0
    clock.sleep(demo.SEEN_EVERY_S)
    assert not never()
    assert read_seen(tmp_path) == clock.now_us()


def test_the_example_rules_are_good_rules() -> None:
    assert {rule.name for rule in read_rules(EXAMPLE_RULES)} == {"payment errors", "failed checkout"}


def test_the_demos_gateway_is_on_this_machine_alone_whatever_the_settings_say_of_a_real_one(tmp_path: Path) -> None:
    environment = {
        "TAILRACE_GATEWAY_TLS_CERTIFICATE": "server.pem",
        "TAILRACE_GATEWAY_TLS_KEY": "server.key",
        "TAILRACE_GATEWAY_ADDRESS": "https://logs.example",
    }
    settings = choose(load({"home": tmp_path}, environment=environment)).settings
    assert (settings.gateway_url, settings.gateway_tls_key) == (f"http://127.0.0.1:{settings.gateway_port}", "")
