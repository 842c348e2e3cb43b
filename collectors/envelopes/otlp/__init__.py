"""What OpenTelemetry's exporters send (OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/): logs, metrics and spans, in protobuf or in its JSON form."""
