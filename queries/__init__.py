"""ASK: OpenSearch query DSL and Athena SQL over OpenSearch, DuckDB (the local lake) and Athena; traces and the service map.

In: a ``_search`` body, a saved query, a trace id. Out: OpenSearch's response, rows, traces.
"""
