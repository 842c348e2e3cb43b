"""Amazon Data Firehose: packed NDJSON by ``PutRecordBatch``."""
