"""The waterfall: one trace as a tree of bars."""
