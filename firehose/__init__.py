"""SHIP: what has been collected goes, durably and once, to the lake and to OpenSearch.

In: :class:`firehose.delivery.Delivery` (Arrow tables in the schema, what was counted, what could not be read). Out: Parquet parts in the lake,
documents in OpenSearch, dead letters, and the ledger that accounts for all of them. ``firehose.LocalFirehose`` does it on one machine.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firehose.delivery_stream import LocalFirehose

__all__ = ["LocalFirehose"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what a module's attributes are
    """Import what is asked for: the Lambda function, which has no spool and no lake, starts without Parquet."""
    if name == "LocalFirehose":
        from firehose.delivery_stream import LocalFirehose

        return LocalFirehose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
