"""CloudWatch Logs' account-level policies, which moto has not: kept by account and Region, one subscription filter policy each; nothing is sent by them.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutAccountPolicy.html
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import orjson
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import get_account_id_from

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_SELECTION_BYTES: Final = 25 * 1024
_TARGET: Final = re.compile(r"Logs_20140328\.(DescribeAccountPolicies|PutAccountPolicy|DeleteAccountPolicy)")
_SCOPE: Final = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/")

Policy = dict[str, Any]


class RefusedError(Exception):
    """What the API answers with status 400: the code and the message."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class AccountPolicies:
    """A WSGI application that answers the three calls, and leaves all others to the one behind it."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self.kept: dict[tuple[str, str], dict[str, Policy]] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve a request."""
        found = _TARGET.fullmatch(environ.get("HTTP_X_AMZ_TARGET", ""))
        if not found:
            return self._app(environ, start_response)
        request = orjson.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        policies = self.kept.setdefault(_place(environ.get("HTTP_AUTHORIZATION", "")), {})
        try:
            status, answer = "200 OK", _answer(found[1], request, policies)
        except RefusedError as error:
            status, answer = "400 Bad Request", {"__type": error.code, "message": error.message}
        body = orjson.dumps(answer)
        start_response(status, [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
        return [body]


def _place(authorization: str) -> tuple[str, str]:
    found = _SCOPE.search(authorization)
    return (get_account_id_from(found["key"]), found["region"]) if found else (DEFAULT_ACCOUNT_ID, "us-east-1")


def _answer(action: str, request: Policy, policies: dict[str, Policy]) -> Policy:
    match action:
        case "DescribeAccountPolicies":
            return {"accountPolicies": [policy for name, policy in policies.items() if request.get("policyName", name) == name]}
        case "PutAccountPolicy":
            return {"accountPolicy": _put(request, policies)}
        case _:
            if policies.pop(request["policyName"], None) is None:
                raise RefusedError("ResourceNotFoundException", "The specified policy does not exist.")
            return {}


def _put(request: Policy, policies: dict[str, Policy]) -> Policy:
    if policies and request["policyName"] not in policies:
        raise RefusedError("LimitExceededException", "Resource limit exceeded.")
    if len(request.get("selectionCriteria", "").encode()) > MAX_SELECTION_BYTES:
        raise RefusedError("InvalidParameterException", "The selection criteria are too long.")
    policies[request["policyName"]] = request
    return request
