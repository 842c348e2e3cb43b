"""What OpenSearch's clients ask of a node before they begin: who it is, and the index templates."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway.answers import JsonResponse, refused
from gateway.parts import Parts
from tailrace.forms import opensearch_template
from tailrace.schema import TABLE_NAMES

SPOKEN_VERSION: Final = "3.8.0"
"""The version of OpenSearch whose API is spoken here; clients ask for it."""


async def root(request: Request) -> Response:
    """Answer ``GET /``."""
    del request
    version = {
        "distribution": "opensearch",
        "number": SPOKEN_VERSION,
        "minimum_wire_compatibility_version": "2.19.0",
        "minimum_index_compatibility_version": "2.0.0",
    }
    return JsonResponse({"name": "tailrace", "cluster_name": "tailrace", "version": version, "tagline": "Tailrace: logs and traces of your own"})


async def index_template(request: Request) -> Response:
    """Answer ``GET /_index_template/{name}``: the generated template of a table."""
    name = str(request.path_params["name"])
    table = next((table for table in TABLE_NAMES if name == f"tailrace-{table}"), None)
    if table is None:
        return refused(404, "resource_not_found_exception", f"index template matching [{name}] not found")
    body = opensearch_template(table, Parts.of(request).register.types())
    return JsonResponse({"index_templates": [{"name": name, "index_template": body}]})
