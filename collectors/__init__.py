"""TAKE IN: bytes from CloudWatch Logs, Kinesis, files, HTTP and X-Ray become Arrow tables in one schema.

In: payloads. Out: :class:`firehose.delivery.Delivery`: rows, counts that account for everything, dead letters for what cannot be read.
"""
