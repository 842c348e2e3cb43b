"""OpenSearch's query language: a ``_search`` body becomes a frozen syntax tree, and a tree becomes a body again."""
