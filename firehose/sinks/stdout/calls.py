"""Rows on standard output, for what collects the output of containers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Final

from firehose.records import CallLimits, Refusal
from tailrace.errors import TransientError
from tailrace.schema import TableName

LIMITS: Final = CallLimits(record_bytes=64 * 1024 * 1024, call_records=500, call_bytes=4 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class OutputLines:
    """Writes lines to a stream of bytes."""

    output: IO[bytes]
    limits: CallLimits = LIMITS

    def put_records(self, table: TableName, records: Sequence[bytes]) -> Sequence[Refusal]:
        """Write the records, each of lines; the reader is behind, or gone, where it raises."""
        del table
        try:
            self.output.write(b"".join(records))
            self.output.flush()
        except OSError as error:
            raise TransientError(f"standard output: {error.strerror or error}") from error
        return ()
