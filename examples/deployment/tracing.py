"""aiconfig with traces (OpenTelemetry): python tracing.py serve --port 8888.

pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http \
    opentelemetry-instrumentation-tornado
"""

import sys

from opentelemetry.instrumentation.tornado import TornadoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from aiconfig_plugin.cli import main

WITH_QUERY = ("http.target", "http.url", "url.full")


def leave_out_query(span, handler) -> None:
    """Tornado's instrumentation records the query, into which some clients put a token."""
    for name in WITH_QUERY:
        if name in span.attributes:
            span.set_attribute(name, handler.request.path)
    if "url.query" in span.attributes:
        span.set_attribute("url.query", "")


def instrument(provider: TracerProvider) -> None:
    """Trace the requests of this process."""
    TornadoInstrumentor().instrument(tracer_provider=provider, server_request_hook=leave_out_query)


if __name__ == "__main__":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider()  # OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT, …
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    instrument(provider)
    sys.exit(main())
