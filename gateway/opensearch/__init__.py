"""The doors that OpenSearch's clients know: ``_search``, ``_count``, ``_bulk`` and what they ask of a node."""
