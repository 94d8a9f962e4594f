"""`/metrics`: figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from serving.context import services_of

router = APIRouter(tags=["health"])


class PrometheusText(PlainTextResponse):
    """Prometheus' text format."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4


@router.get("/metrics", response_class=PrometheusText)
def metrics(request: Request) -> PrometheusText:
    """Requests by route, the release, and what the service's parts count, over all workers."""
    return PrometheusText(services_of(request).metrics.text())
