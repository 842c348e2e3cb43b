"""The lake: Parquet parts in an object store."""
