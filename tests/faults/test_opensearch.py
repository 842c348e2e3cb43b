"""An OpenSearch that answers later than anybody waits, or whose TLS fails: nothing is lost, nothing is doubled, and the health says why."""

from pathlib import Path

from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.sinks.opensearch.sink import OpenSearchSink
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.ledger import Hop, open_ledger
from tests.firehose.deliveries import events, everything_delivered, numbers, quick
from tests.firehose.fake_opensearch import fake_opensearch


def delivered(home: Path) -> Hop:
    check = open_ledger(home / "ledger.sqlite").check()
    assert check.balanced, check.problems
    return next(hop for hop in check.hops if hop.sink == "opensearch")


def test_documents_whose_answer_came_too_late_are_sent_again_and_are_no_duplicates(tmp_path: Path) -> None:
    with fake_opensearch() as there:
        settings = quick(tmp_path, opensearch_url=there.url)
        transport = aws.opensearch(settings, timeout_s=0.2).transport
        sink = OpenSearchSink(transport, AttributeRegister(settings.register_path), DeadLetters(settings.dead_folder), SystemClock())
        there.faults += ["slow", "slow", "slow"]
        with LocalFirehose(settings, SystemClock(), sinks=[sink]) as stream:
            stream.put(events(0, 20))
            assert everything_delivered(stream)
        assert there.requests >= 4
        assert there.ids() == numbers(20)
    hop = delivered(tmp_path)
    assert (hop.went_out, hop.duplicate, hop.dead, hop.pending) == (20, 0, 0, 0)


def test_where_tls_fails_the_sink_says_so_and_goes_on_when_it_is_mended(tmp_path: Path) -> None:
    with fake_opensearch() as there:
        broken = quick(tmp_path, opensearch_url=there.url.replace("http:", "https:"))
        with LocalFirehose(broken, SystemClock()) as stream:
            stream.put(events(0, 20))
            assert stream.flush()
            while not stream.status()["sinks"][1]["failures"]:
                stream.flush(1)
            search = stream.status()["sinks"][1]
            assert (search["state"], search["behind_rows"]) == ("failing", 20)
            assert "SSL" in search["error"]
        with LocalFirehose(quick(tmp_path, opensearch_url=there.url), SystemClock()) as stream:
            assert everything_delivered(stream)
        assert there.ids() == numbers(20)
    assert delivered(tmp_path).went_out == 20
