"""A program that logs, counts and traces with OpenTelemetry's SDK; where to is in otel.env.

pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
"""

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind


def main() -> None:
    """Place one order."""
    traces, logs, meters = TracerProvider(), LoggerProvider(), MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    orders = meters.get_meter("shop").create_counter("orders", unit="1")
    with traces.get_tracer("shop").start_as_current_span("POST /orders", kind=SpanKind.SERVER):
        logs.get_logger("shop").emit(severity_number=SeverityNumber.INFO, severity_text="INFO", body="order placed", attributes={"order.id": 7})
        orders.add(1, {"country": "NL"})
    for provider in (traces, logs, meters):
        provider.shutdown()


if __name__ == "__main__":
    main()
