"""The real servers serve: what tests, benchmarks and the demo build on."""

import boto3
import opensearchpy
import pytest
import trino
from botocore.exceptions import ClientError

from sandbox.servers.pytest_plugin import S3Server
from tailrace.forms import opensearch_template


@pytest.mark.opensearch
def test_opensearch_takes_our_template_and_finds_a_document_by_a_word(opensearch_url: str) -> None:
    client = opensearchpy.OpenSearch([opensearch_url])
    client.indices.put_index_template(name="servers", body={**opensearch_template("logs"), "index_patterns": ["servers-*"], "priority": 501})
    client.index(index="servers-1", id="a", body={"message": "com.shop.Error: 500", "service.name": "cart"}, refresh=True)
    found = client.search(index="servers-*", body={"query": {"match": {"message": "error"}}})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["a"]


@pytest.mark.s3
def test_s3_keeps_objects_and_refuses_a_conditional_put_that_lost(s3_server: S3Server) -> None:
    client = boto3.client(
        "s3", endpoint_url=s3_server.url, region_name="us-east-1", aws_access_key_id=s3_server.access_key, aws_secret_access_key=s3_server.secret_key
    )
    client.put_object(Bucket=s3_server.bucket, Key="servers/a", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match=r"PreconditionFailed|412"):
        client.put_object(Bucket=s3_server.bucket, Key="servers/a", Body=b"2", IfNoneMatch="*")
    assert client.get_object(Bucket=s3_server.bucket, Key="servers/a")["Body"].read() == b"1"


@pytest.mark.trino
@pytest.mark.timeout(900)
def test_trino_answers(trino_url: str) -> None:
    host, _, port = trino_url.removeprefix("http://").partition(":")
    cursor = trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host=host, port=int(port), user="test", catalog="memory", schema="default"
    ).cursor()
    cursor.execute("SELECT 7 / 2, regexp_extract('abc', 'x')")
    assert cursor.fetchall() == [[3, None]]
