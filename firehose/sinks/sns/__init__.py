"""SNS: packed NDJSON by ``PublishBatch``."""
