#!/bin/sh
# The AWS command line -> Tailrace: a segment of X-Ray's to the daemon's TCP port.
# https://docs.aws.amazon.com/cli/latest/reference/xray/put-trace-segments.html
set -eu
endpoint="${1:-http://127.0.0.1:2000}"
now=$(date +%s)
trace="1-$(printf '%08x' "$now")-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')"
id=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
aws xray put-trace-segments --endpoint-url "$endpoint" --region us-east-1 --no-sign-request --trace-segment-documents \
    "{\"trace_id\":\"$trace\",\"id\":\"$id\",\"name\":\"nightly-job\",\"start_time\":$now,\"end_time\":$((now + 2))}"
echo "$trace"
