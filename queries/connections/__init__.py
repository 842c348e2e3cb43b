"""Connections to the engines that run SQL: DuckDB in this process, Trino and Athena."""
