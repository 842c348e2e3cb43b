"""Letting log groups flow in: CloudWatch Logs subscription filters."""
