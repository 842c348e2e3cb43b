"""Traces: rows of ``spans`` become traces, inferred nodes and the service graph; log lines are joined by trace id."""
