"""The keeper of the lake: merges small parts into large ones, and deletes what was replaced."""

from firehose.keeper.loop import Keeper

__all__ = ["Keeper"]
