"""Tracing with aws-xray-sdk: one recorder for all services of the process; a segment is named after the service that the request came to."""

import traceback
from dataclasses import dataclass

from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.core.models.default_dynamic_naming import DefaultDynamicNaming
from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
from flask import Flask

from sandbox.shop.place import Place


class ByPort(DefaultDynamicNaming):
    """Names segments by the port in the ``Host`` header; what the SDK calls dynamic naming."""

    def __init__(self, place: Place) -> None:
        super().__init__("*", "shop")
        self._place = place

    def get_name(self, host_name: str | None) -> str:
        """Answer the name of a segment."""
        return self._place.service_at(host_name or "")


@dataclass(frozen=True, slots=True)
class TraceIds:
    """The trace and the segment that a log line belongs to; empty where the request is not sampled."""

    trace_id: str = ""
    span_id: str = ""


def configure(place: Place) -> None:
    """Point the SDK at the daemon, and let it trace what requests and boto3 call."""
    xray_recorder.configure(service="shop", daemon_address=place.xray, context_missing="IGNORE_ERROR", dynamic_naming=ByPort(place))
    patch(("requests", "boto3"))


def trace(app: Flask) -> None:
    """Make a segment of each request to an application."""
    XRayMiddleware(app, xray_recorder)


def current() -> TraceIds:
    """Answer the ids of the segment of this thread."""
    segment = xray_recorder.current_segment()
    return TraceIds(segment.trace_id, segment.id) if segment is not None and segment.sampled else TraceIds()


def annotate(**values: str | float | bool) -> None:
    """Put annotations on the segment of this thread."""
    segment = xray_recorder.current_segment()
    for key, value in values.items() if segment is not None else ():
        segment.put_annotation(key, value)


def set_user(user: str) -> None:
    """Say who the segment of this thread works for."""
    segment = xray_recorder.current_segment()
    if segment is not None:
        segment.set_user(user)


def add_exception(error: Exception) -> None:
    """Record an exception as the cause of the segment of this thread."""
    segment = xray_recorder.current_segment()
    if segment is not None:
        segment.add_exception(error, traceback.extract_tb(error.__traceback__))
