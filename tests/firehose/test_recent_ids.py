"""The recent-id filter."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from firehose.recent_ids import RecentIds, row_hashes
from tailrace.text_hashes import text_hashes
from tests.firehose.deliveries import numbered, table_of


@given(st.lists(st.text(max_size=20)), st.integers(0, 3))
def test_equal_texts_have_equal_hashes_and_others_do_not(texts: list[str], skip: int) -> None:
    array = pa.array(["pad"] * skip + texts, pa.string()).slice(skip)
    hashes = text_hashes(array).tolist()
    assert len(set(hashes)) == len(set(texts))
    assert dict(zip(texts, hashes, strict=True)) == dict(zip(reversed(texts), reversed(hashes), strict=True))


@given(st.lists(st.lists(st.integers(2, 40), max_size=12), max_size=8))
def test_the_filter_admits_each_hash_once(batches: list[list[int]]) -> None:
    recent, seen = RecentIds(1_000), set[int]()
    for batch in batches:
        mask = recent.admit(np.array(batch, np.uint64))
        for value, new in zip(batch, mask, strict=True):
            assert bool(new) is (value not in seen)
            seen.add(value)


def test_what_was_discarded_is_new_again_and_what_is_old_is_forgotten() -> None:
    recent, first = RecentIds(100), np.arange(2, 52, dtype=np.uint64)
    assert recent.admit(first).all()
    recent.discard(first[:10])
    assert recent.admit(first).sum() == 10
    for start in range(1_000, 1_400, 100):
        recent.admit(np.arange(start, start + 100, dtype=np.uint64))
    assert recent.admit(first).all()


def test_a_revision_and_another_table_are_other_rows() -> None:
    rows = table_of([{"event_id": "a"}, {"event_id": "a", "revision": 1}, {"event_id": "a", "revision": None}])
    hashes = row_hashes({"logs": rows})["logs"]
    assert hashes[0] == hashes[2] != hashes[1]
    assert row_hashes({"logs": numbered(0, 0)}) == {}
