"""SHIP: what has been collected goes, durably and once, to the lake and to OpenSearch.

In: :class:`firehose.delivery.Delivery` (Arrow tables in the schema, what was counted, what could not be read). Out: Parquet parts in the lake,
documents in OpenSearch, dead letters, and the ledger that accounts for all of them. ``firehose.LocalFirehose`` does it on one machine.
"""

from firehose.delivery_stream import LocalFirehose

__all__ = ["LocalFirehose"]
