"""Kinesis Data Streams: packed NDJSON by ``PutRecords``."""
