"""What the gateway reads with care before anything happens: bodies, parameters, index names, bulk lines, who comes in."""

import base64
import gzip
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway.access import Access, check_binding
from gateway.answers import JsonResponse, error_answer
from gateway.opensearch.bulk_body import read_items
from gateway.requests import MAX_BODY_BYTES, flag, json_object, read_body, whole_number
from queries.targets import missing, resolve
from tailrace.errors import RequestError, SettingError, StateError, TailraceError, TransientError, UnsupportedError


async def _echo(request: Request) -> Response:
    try:
        body = await read_body(request)
        return JsonResponse({"length": len(body), "flag": flag(request, "f"), "n": whole_number(request, "n"), "json": json_object(body)})
    except TailraceError as error:
        return error_answer(error)


def client(token: str = "", base_url: str = "http://127.0.0.1") -> TestClient:
    return TestClient(Starlette(routes=[Route("/", _echo, methods=["GET", "POST"])], middleware=[Middleware(Access, token=token)]), base_url=base_url)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(b'{"a"') + gzip.compress(b":1}")), ("deflate", zlib.compress(b'{"a":1}')), ("identity", b'{"a":1}')],
)
def test_a_compressed_body_is_inflated_all_members_of_it(encoding: str, body: bytes) -> None:
    assert client().post("/", content=body, headers={**JSON, "content-encoding": encoding}).json()["json"] == {"a": 1}


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", gzip.compress(b"{}")[:-3], "cut short"),
        ("gzip", b"nonsense", "not gzip"),
        ("gzip", gzip.compress(b"0" * (MAX_BODY_BYTES + 1)), "inflates to more"),
        ("gzp", b"", "did you mean 'gzip'"),
        ("identity", b"[1]", "not a JSON object"),
        ("identity", b"{", "not JSON"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(encoding: str, body: bytes, reason: str) -> None:
    answer = client().post("/", content=body, headers={**JSON, "content-encoding": encoding})
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["reason"]


@pytest.mark.parametrize(("query", "expected"), [("f", True), ("f=true", True), ("f=wait_for", True), ("f=false", False), ("", False)])
def test_flags_are_read_as_opensearch_reads_them(query: str, expected: bool) -> None:
    assert client().get(f"/?{query}").json()["flag"] is expected


@pytest.mark.parametrize("query", ["f=maybe", "n=x", "n=-1", "n=1e3", "n=" + "9" * 30])
def test_a_wrong_parameter_is_one_clear_error(query: str) -> None:
    assert client().get(f"/?{query}").status_code == 400


@pytest.mark.parametrize(
    ("error", "status"),
    [(RequestError("x"), 400), (UnsupportedError("x"), 400), (SettingError("x"), 400), (TransientError("x"), 503), (StateError("x"), 500)],
)
def test_errors_have_opensearchs_shape(error: TailraceError, status: int) -> None:
    answer = error_answer(error)
    assert answer.status_code == status
    told = orjson.loads(bytes(answer.body))
    assert told["status"] == status
    assert told["error"]["reason"] == told["error"]["root_cause"][0]["reason"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_foreign_host_header_is_refused(host: str) -> None:
    assert client().get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:9400", "localhost", "[::1]:9400", "[::1]"])
def test_this_machine_is_let_in(host: str) -> None:
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded; charset=utf-8", "multipart/form-data"])
def test_what_a_foreign_page_can_send_without_asking_is_refused(content_type: str) -> None:
    assert client().post("/", content=b"{}", headers={"content-type": content_type}).status_code == 403


def test_with_a_token_only_who_knows_it_comes_in() -> None:
    door = client("secret", "http://tailrace.example")
    assert door.get("/").status_code == 401
    assert door.get("/", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert door.get("/", headers={"authorization": "Bearer secret"}).status_code == 200


@pytest.mark.parametrize(("given", "status"), [("any:secret", 200), (":secret", 200), ("secret:", 401), ("secret", 401), ("any:wrong", 401)])
def test_the_token_may_be_the_password_of_whatever_user(given: str, status: int) -> None:
    door = client("secret", "http://tailrace.example")
    assert door.get("/", headers={"authorization": f"Basic {base64.b64encode(given.encode()).decode()}"}).status_code == status
    assert door.get("/", headers={"authorization": "Basic no base64!"}).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "gateway.example"])
def test_an_open_address_without_a_token_is_refused(host: str) -> None:
    with pytest.raises(SettingError, match="gateway_token"):
        check_binding(host, "")
    check_binding(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_local_address_needs_no_token(host: str) -> None:
    check_binding(host, "")


@pytest.mark.parametrize("name", ["", "_all", "*", "logs*", "tailrace-logs*", "tailrace-logs-2026.11.24", "tailrace-logs*,mine"])
def test_names_of_the_table_read_all_of_it(name: str) -> None:
    target = resolve(name)
    assert (target.table, target.streams) == ("logs", ())
    assert target.narrowed({"size": 1}) == {"size": 1}


def test_other_names_read_streams() -> None:
    target = resolve("nginx,app-*")
    assert target.streams == ("nginx", "app-*")
    assert target.narrowed({"query": {"match_all": {}}})["query"]["bool"]["filter"][0]["bool"]["should"][0] == {"term": {"stream.name": {"value": "nginx"}}}
    assert missing(target, lambda _: False) == "nginx"
    assert missing(target, lambda _: True) is None
    assert resolve("tailrace-spans-*").table == "spans"


def test_tables_are_not_mixed() -> None:
    with pytest.raises(RequestError, match="one search reads one table"):
        resolve("tailrace-spans*,tailrace-logs*")
    with pytest.raises(RequestError, match="more than"):
        resolve(",".join("abc" for _ in range(60)))


def lines(*items: Any) -> bytes:
    return b"".join(orjson.dumps(item) + b"\n" for item in items)


def test_bulk_items_are_read_in_order() -> None:
    items = read_items(lines({"index": {"_index": "a", "_id": "1"}}, {"m": 1}, {"create": {"_id": 7}}, {"m": 2}), "b")
    assert [(item.verb, item.index, item.id, item.document, item.error) for item in items] == [
        ("index", "a", "1", b'{"m":1}', ""),
        ("create", "b", "7", b'{"m":2}', ""),
    ]


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ({"update": {"_index": "a"}}, "never changed"),
        ({"index": {}}, "index is missing"),
        ({"index": {"_index": "Big"}}, "invalid index name"),
        ({"index": {"_index": "_x"}}, "invalid index name"),
        ({"index": {"_index": "a", "_id": "x" * 513}}, "id is too long"),
    ],
)
def test_an_item_that_cannot_be_taken_is_refused_alone(action: dict[str, Any], error: str) -> None:
    (item, good) = read_items(lines(action, {"m": 1}, {"index": {"_index": "a"}}, {"m": 2}), "")
    assert error in item.error
    assert not good.error


def test_a_delete_has_no_document() -> None:
    (item, good) = read_items(lines({"delete": {"_index": "a", "_id": "1"}}, {"index": {"_index": "a"}}, {"m": 2}), "")
    assert "never changed" in item.error
    assert good.document == b'{"m":2}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "request body is required"),
        (b'{"index":{}}', "terminated by a newline"),
        (b'{"index":{}}\n', "no document after it"),
        (b'{"indx":{}}\n{}\n', "expected one of"),
        (b"{\n{}\n", "malformed action"),
        (b"[" * 5000 + b"\n{}\n", "malformed action"),
    ],
)
def test_what_is_no_bulk_body_is_refused_whole(body: bytes, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        read_items(body, "a")


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b'{"index":{"_index":"a"}}', b"{}", b"", b'{"delete":{}}', b"[]", b"\xff"])).map(lambda parts: b"\n".join(parts) + b"\n")
)
def test_any_bytes_are_items_or_one_clear_error(body: bytes) -> None:
    try:
        items = read_items(body, "a")
    except RequestError as error:
        assert str(error)
    else:
        assert items
