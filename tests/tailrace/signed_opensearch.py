"""A server that takes signed requests only: it makes each signature anew, with botocore, from what arrived, and keeps the bodies."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.serving import QuietHandler, serving

KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"


class Signed:
    """What a service asks of a signature, and what came."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.requests: list[tuple[str, str, bytes, int]] = []
        """Method, path, body as it was meant, bytes on the wire."""
        self.refused: list[str] = []

    def problem(self, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        """Answer why a request is refused; an empty text: it is not."""
        scope, _, rest = headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256 Credential=").partition(", SignedHeaders=")
        names, _, signature = rest.partition(", Signature=")
        if scope.split("/")[2:] != [REGION, self.service, "aws4_request"]:
            return f"the scope is {scope}"
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names.split(";")):
            return f"signed are {names}"
        request = AWSRequest(method, f"http://{headers['host']}{path}", {name: headers[name] for name in names.split(";") if name != "host"}, body)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials(KEY, SECRET), self.service, REGION)
        if headers["x-amz-content-sha256"] != SigV4Auth.payload(signer, request):
            return "the hash is of another body"
        made = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return "" if made == signature else "the signature is of another request"


@contextmanager
def signed_opensearch(service: str) -> Iterator[tuple[str, Signed]]:
    """Run one; answer its address too."""
    signed = Signed(service)
    with serving(_Handler, signed=signed) as url:
        yield url, signed


class _Handler(QuietHandler):
    signed: Signed

    def do_PUT(self) -> None:
        self._judge()

    def do_POST(self) -> None:
        self._judge()

    def do_GET(self) -> None:
        self._judge()

    def _judge(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        problem = self.signed.problem(self.command, self.path, headers, body)
        if problem:
            self.signed.refused.append(problem)
            self._answer(403, {"message": problem})
            return
        meant = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.signed.requests.append((self.command, self.path, meant, len(body)))
        self._answer(200, {"errors": False, "items": [{"create": {"status": 201}} for line in meant.splitlines() if line.startswith(b'{"create"')]})

    def _answer(self, status: int, answer: Any) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
