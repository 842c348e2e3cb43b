"""OpenSearch: documents by ``_bulk``."""
