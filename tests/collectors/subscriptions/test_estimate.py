"""An estimate adds up, rests on what it shows, and leaves what is not known out of every sum."""

import pytest

from collectors.subscriptions.cost import LEGS, Route
from collectors.subscriptions.destination import Fed
from collectors.subscriptions.estimate import Estimate, Money, estimate, estimate_document
from collectors.subscriptions.inventory import Inventory, largest, take_inventory, with_samples, with_traffic
from collectors.subscriptions.log_groups import LogGroup, SubscriptionFilter
from collectors.subscriptions.memory import MemoryLogGroups
from collectors.subscriptions.places import Place
from collectors.subscriptions.plan import Wish, make_plan
from collectors.subscriptions.prices import price_notes, prices
from collectors.subscriptions.traffic import MemoryTraffic, Traffic
from tailrace.errors import PermanentError, UsageError

FUNCTION = "arn:aws:lambda:{region}:{account}:function:collect"
WISH = Wish(("/*",), FUNCTION)


class Denied:
    def traffic(self, groups: object, now_us: int) -> dict[str, Traffic]:
        raise PermanentError("metrics of log groups: AccessDenied")

    def sizes(self, group: str, pattern: str, now_us: int) -> list[int]:
        raise PermanentError(f"sample of {group}: AccessDenied")


def found_at(region: str = "us-east-1") -> Inventory:
    port = MemoryLogGroups({LogGroup(name): {} for name in ("/a", "/b", "/c")})
    port.put("/c", SubscriptionFilter("tailrace", f"arn:aws:lambda:{region}:123456789012:function:collect"))
    inventory = take_inventory(Place("123456789012", region), port, ["/*"], Fed())
    known = MemoryTraffic({"/a": Traffic(1e9, 2.5e6), "/c": Traffic(1e12, 1e9)}, {"/a": [400] * 10})
    return with_samples(with_traffic(inventory, known, 0), known, ["/a"], "", 0)


def estimated(region: str = "us-east-1", service: str = "lambda", **given: float) -> Estimate:
    inventory = found_at(region)
    return estimate(make_plan(inventory, WISH), inventory, Route(service), given)


def test_lines_and_the_pipeline_add_up_to_the_total() -> None:
    found = estimated()
    (line,) = found.lines
    assert (line.group, line.sampled, set(line.legs)) == ("/a", 10, set(LEGS))
    total = line.total + found.pipeline.total
    assert found.total == total
    assert 0 < total.low < total.likely < total.high


def test_what_is_not_known_and_what_flows_already_is_in_no_sum_and_said() -> None:
    found = estimated()
    assert found.unknown == ("/b",)
    assert "of 1 groups it is not known how much comes in: they are in no sum" in found.notes
    assert "1 groups are sent already: they are in no sum" in found.notes
    assert any(note.startswith("CloudWatch goes on charging") for note in found.notes)


def test_the_factor_is_what_firehose_bills_for_each_byte_of_a_line() -> None:
    assert [estimated(document_factor=factor, document_overhead=0).lines[0].factor for factor in (1, 12, 13)] == pytest.approx([12.8, 12.8, 25.6])
    inventory = found_at()
    (line,) = estimate(make_plan(inventory, WISH), inventory, Route("lambda"), {"document_factor": 1, "document_overhead": 0}, sample_bytes=512).lines
    assert line.factor == pytest.approx(10)
    (line,) = estimate(make_plan(inventory, WISH), inventory, Route("lambda", "bulk")).lines
    assert line.factor is None


def test_an_assumption_that_is_given_and_a_price_that_is_given_count() -> None:
    inventory = found_at()
    plan = make_plan(inventory, WISH)
    assert estimated(search_days=28).lines[0].legs["OpenSearch"].likely == pytest.approx(2 * estimated(search_days=14).lines[0].legs["OpenSearch"].likely)
    dear = estimate(plan, inventory, Route("lambda"), given_prices={"s3.storage": 0.046})
    assert dear.lines[0].legs["S3"].likely == pytest.approx(2 * estimated().lines[0].legs["S3"].likely)
    assert (dear.prices["s3.storage"].seen, dear.prices["s3.storage"].verified) == ("--assume", True)
    with pytest.raises(UsageError, match=r"no such price: s3\.storag"):
        prices("us-east-1", {"s3.storag": 1})


def test_every_price_has_its_source_its_date_and_says_whether_it_was_verified() -> None:
    for region in ("us-east-1", "eu-central-1"):
        for price in prices(region).values():
            assert price.usd > 0
            assert price.source.startswith("https://aws.amazon.com/")
            assert price.region == region
            assert price.unit
            assert bool(price.seen) == price.verified
            assert len(price.read) == 10
    notes = price_notes(prices("eu-central-1"), "eu-central-1")
    assert any(note.startswith("not verified in a public document: ") and "firehose.ingest" in note for note in notes)


def test_a_region_that_is_not_in_the_table_has_the_prices_of_another_and_says_so() -> None:
    notes = estimated("ap-south-1").notes
    assert "prices of ap-south-1 are not in the table: those of us-east-1 were taken" in notes
    assert not any("were taken" in note for note in estimated("eu-central-1").notes)


def test_what_is_behind_a_logs_destination_is_not_estimated_and_firehose_alone_reaches_no_opensearch() -> None:
    found = estimated(service="logs")
    assert (found.lines, found.total) == ((), Money(0, 0, 0))
    assert any("paid by the account that it is in" in note for note in found.notes)
    assert any("a function must split them" in note for note in estimated(service="firehose").notes)


def test_metrics_and_samples_that_may_not_be_asked_are_notes() -> None:
    inventory = with_samples(with_traffic(found_at(), Denied(), 0), Denied(), ["/a", "/b"], "", 0)
    assert inventory.notes == ("metrics of log groups: AccessDenied", "sample of /a: AccessDenied")
    assert inventory.entries[0].sizes == (400,) * 10


def test_the_largest_groups_are_sampled_first() -> None:
    assert largest(found_at(), 2) == ["/c", "/a"]


def test_json_has_everything_that_the_estimate_rests_on() -> None:
    found = estimate_document(estimated())
    assert (found["currency"], found["per"], found["unknown"]) == ("USD", "month", ("/b",))
    assert len(found["prices"]) == len(prices("us-east-1"))  # type: ignore[arg-type]
    assert str(Money(1, 2, 3000)) == "2.00 (1.00 to 3,000.00)"
    assert str(Money(1, 1, 1)) == "1.00"
