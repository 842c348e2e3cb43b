"""The tree of a search to SQL: sqlglot syntax trees, never pasted text."""
