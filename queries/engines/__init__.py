"""The engines that answer searches: the lake (DuckDB) and OpenSearch, behind ``queries.engine.SearchEngine``."""
