"""Addresses and user agents: what is known of them becomes attributes, each different value is looked up once, and nothing that a line says is overwritten."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.rules import user_agent
from collectors.rules.geoip import GeoIp
from collectors.rules.rule_file import Rules, load_rules, parse_rules
from collectors.steps import Batch, Work, run_steps
from tailrace.errors import FileError, SettingError
from tailrace.schema import FieldType
from tailrace.settings import Settings
from tailrace.yaml_file import parse_yaml
from tests.collectors.readers.samples import lines_of, parsed
from tests.collectors.rules.mmdb import written

BERLIN: dict[str, Any] = {
    "country": {"iso_code": "DE"},
    "city": {"names": {"en": "Berlin", "de": "Berlin"}},
    "location": {"latitude": 52.5, "longitude": 13.25},
}
CITIES: dict[str, dict[str, Any]] = {
    "192.0.2.0/24": BERLIN,
    "198.51.100.0/24": {"country": {"iso_code": "FR"}},
    "198.51.100.7/32": {"country": {"iso_code": "BE"}},
    "2001:db8::/32": BERLIN,
}
OWNERS: dict[str, dict[str, Any]] = {"192.0.0.0/16": {"autonomous_system_number": 64_500, "autonomous_system_organization": "Example Net"}}
CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.71 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1"


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    cities, owners = tmp_path / "city.mmdb", tmp_path / "asn.mmdb"
    cities.write_bytes(written(CITIES))
    owners.write_bytes(written(OWNERS, "Test-ASN"))
    return cities, owners


def rules_of(text: str, maps: tuple[Path, ...] = ()) -> Rules:
    return parse_rules(parse_yaml(text.encode(), "pipeline.yaml"), Path(), maps=maps)


def run(documents: list[dict[str, Any]], rules: Rules) -> Batch:
    return run_steps(
        lines_of([json.dumps(one) for one in documents]),
        Work(lambda lines: parsed([str(text) for text in lines.text.to_pylist()], source="test"), rules),
    )


def attributes(batch: Batch) -> list[dict[str, Any]]:
    return [json.loads(text) if text else {} for text in batch.logs["attributes"].to_pylist()]


def test_addresses_are_located_and_their_owners_named(maps: tuple[Path, Path]) -> None:
    documents = [{"client_ip": address} for address in ("192.0.2.9", "198.51.100.1", "198.51.100.7", "2001:db8::5", "10.0.0.1")] + [{"message": "x"}]
    found = attributes(run(documents, rules_of("enrich: [{geoip: {}}]", maps)))
    berlin = {"client.geo.country_iso_code": "DE", "client.geo.city_name": "Berlin", "client.geo.location": "52.5,13.25"}
    assert found == [
        {**berlin, "client.as.number": 64_500, "client.as.organization.name": "Example Net"},
        {"client.geo.country_iso_code": "FR"},
        {"client.geo.country_iso_code": "BE"},
        berlin,
        {},
        {},
    ]


def test_what_a_line_says_itself_stays(maps: tuple[Path, Path]) -> None:
    documents = [{"client_ip": "192.0.2.9", "client.geo.country_iso_code": "XX"}, {"client_ip": "192.0.2.9"}]
    texts = run(documents, rules_of("enrich: [{geoip: {}}]", maps)).logs["attributes"].to_pylist()
    assert [json.loads(str(text))["client.geo.country_iso_code"] for text in texts] == ["XX", "DE"]
    assert str(texts[0]).count("country_iso_code") == 1


def test_other_addresses_may_be_asked_for(maps: tuple[Path, Path]) -> None:
    rules = rules_of("enrich: [{geoip: {on: [source.address, destination.address]}}]", maps)
    assert set(rules.enrichment.declared()) >= {"source.as.number", "destination.geo.location"}
    assert rules.enrichment.declared()["source.as.number"] is FieldType.LONG


def test_a_file_that_is_replaced_is_read_anew_and_a_damaged_one_is_not(maps: tuple[Path, Path]) -> None:
    cities, _ = maps
    sut = GeoIp(cities)
    addresses = pa.array(["192.0.2.9", None, "192.0.2.9"])
    assert sut.parts(addresses)["geo.country_iso_code"].to_pylist() == ["DE", None, "DE"]
    for data, country in ((written({"192.0.2.0/24": {"country": {"iso_code": "AT"}}}), "AT"), (b"no database", "AT")):
        fresh = cities.with_name("new")
        fresh.write_bytes(data)
        fresh.replace(cities)
        os.utime(cities, ns=(len(data), len(data)))
        assert sut.parts(addresses)["geo.country_iso_code"].to_pylist() == [country, None, country]


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("enrich: [{geoip: {}}]")
    with pytest.raises(SettingError, match="no file of MaxMind"):
        load_rules(Settings(home=tmp_path, geoip_file=str(tmp_path / "none.mmdb")))
    with pytest.raises(FileError, match="needs the setting geoip_file"):
        load_rules(Settings(home=tmp_path))


@given(record=st.recursive(st.none() | st.integers(0, 9) | st.text("ab", max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=3))
def test_records_of_any_shape_are_borne(tmp_path_factory: pytest.TempPathFactory, record: Any) -> None:
    names = ("country", "city", "location", "autonomous_system_number", "autonomous_system_organization")
    path = tmp_path_factory.mktemp("m") / "x.mmdb"
    path.write_bytes(written({"192.0.2.0/24": {name: _without_none(record) for name in names}}))
    assert len(GeoIp(path).parts(pa.array(["192.0.2.1", "no address", "", "::1"]))["as.number"]) == 4


def _without_none(value: Any) -> Any:
    return "" if value is None else [_without_none(one) for one in value] if isinstance(value, list) else value


def test_user_agents_are_read() -> None:
    rules = rules_of("enrich: [{user_agent: {}}]")
    found = attributes(run([{"user_agent": text} for text in (CHROME, PHONE, "curl/8.1", "?", CHROME)] + [{"message": "x"}], rules))
    chrome = {"user_agent.name": "Chrome", "user_agent.version": "120.0.6099", "user_agent.os.name": "Mac OS X", "user_agent.device.name": "Mac"}
    assert found[0] == found[4] == chrome
    assert found[1]["user_agent.name"] == "Mobile Safari"
    assert (found[1]["user_agent.os.name"], found[1]["user_agent.device.name"]) == ("iOS", "iPhone")
    assert found[2] == {"user_agent.name": "curl", "user_agent.version": "8.1"}
    assert found[3] == found[5] == {}
    assert set(rules.enrichment.declared()) == set(user_agent.NAMES)


@given(
    headers=st.lists(
        st.one_of(st.none(), st.text(max_size=60), st.sampled_from([CHROME, PHONE, "(" * 5_000, "Mozilla/5.0 (" * 900, "a" * 9_000, "1." * 4_000])), max_size=6
    )
)
def test_whatever_a_header_holds_it_is_borne(headers: list[str | None]) -> None:
    found = user_agent.parts(pa.array(headers, pa.string()))
    assert {len(values) for values in found.values()} == {len(headers)}


def test_both_are_off_unless_they_are_asked_for(maps: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("redact: [email]")
    rules = load_rules(Settings(home=tmp_path, geoip_file=str(maps[0]), asn_file=str(maps[1])))
    assert attributes(run([{"client_ip": "192.0.2.9", "user_agent": CHROME}], rules)) == [{}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{geoip: {on: [url.path]}}", "no address"),
        ("{geoip: {on: client.adress}}", "client.address"),
        ("{geoip: {off: x}}", "no such option"),
        ("{user_agent: {on: x}}", "no such option"),
        ("{geo: {}}", "geoip"),
    ],
)
def test_an_enrichment_that_is_wrong_is_said(maps: tuple[Path, Path], text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        rules_of(f"enrich: [{text}]", maps)
