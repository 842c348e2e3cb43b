"""SQS: packed NDJSON by ``SendMessageBatch``."""
