"""The table of REST: every operation with what it takes, what it gives, and who handles it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.api import alerts, answers, cameras, evidence, health, login, system
from dashboard.api.context import Context
from dashboard.api.openapi import document
from dashboard.api.operation import Operation
from dashboard.api.types import (
    Alerts,
    AlertsQuery,
    Alive,
    Cameras,
    LoginBody,
    Me,
    OneAlert,
    Readiness,
    Reviewed,
    SignedOut,
    SnoozeBody,
    Snoozed,
    SystemView,
    Timeline,
    VerdictBody,
)
from dashboard.asyncapi import asyncapi as description

BASE = "/api/v1"
CAMERA, ALERT = f"{BASE}/cameras/{{name}}", f"{BASE}/alerts/{{id}}"
EVIDENCE = f"{ALERT}/evidence"
JPEG, MP4, ZIP, JSON, TEXT = "image/jpeg", "video/mp4", "application/zip", "application/json", "text/plain"


async def openapi(_context: Context, request: Request, _ask: None) -> Response:
    """This description, for programs."""
    return answers.json(request, document(OPERATIONS))


async def asyncapi(_context: Context, request: Request, _ask: None) -> Response:
    """The description of the WebSocket, for programs."""
    return answers.json(request, description())


OPERATIONS = (
    Operation("POST", f"{BASE}/login", login.login, Me, body=LoginBody, statuses=(401, 429, 503), role=None),
    Operation("DELETE", f"{BASE}/login", login.logout, SignedOut, statuses=(503,), role=None),
    Operation("GET", f"{BASE}/me", login.me, Me, statuses=(304,), role="viewer"),
    Operation("GET", f"{BASE}/cameras", cameras.cameras, Cameras, statuses=(304,), role="viewer"),
    Operation("GET", f"{CAMERA}/preview.jpg", cameras.preview, JPEG, statuses=(404,), role="viewer"),
    Operation("GET", f"{CAMERA}/timeline", cameras.timeline, Timeline, statuses=(304, 404), role="viewer"),
    Operation("POST", f"{CAMERA}/snooze", cameras.snooze, Snoozed, body=SnoozeBody, statuses=(404,), role="operator"),
    Operation("DELETE", f"{CAMERA}/snooze", cameras.wake, Snoozed, statuses=(404,), role="operator"),
    Operation("POST", f"{BASE}/snooze", cameras.snooze_all, Snoozed, body=SnoozeBody, role="operator", unscoped=True),
    Operation("DELETE", f"{BASE}/snooze", cameras.wake_all, Snoozed, role="operator", unscoped=True),
    Operation("GET", f"{BASE}/alerts", alerts.alerts, Alerts, query=AlertsQuery, statuses=(304,), role="viewer"),
    Operation("GET", ALERT, alerts.alert, OneAlert, statuses=(304, 404), role="viewer"),
    Operation("POST", f"{ALERT}/verdict", alerts.verdict, Reviewed, body=VerdictBody, statuses=(404,), role="operator"),
    Operation("GET", f"{ALERT}/export.zip", alerts.export, ZIP, statuses=(304, 404), role="viewer"),
    Operation("GET", f"{EVIDENCE}/sheet.jpg", evidence.sheet, JPEG, statuses=(304, 404), role="viewer"),
    Operation("GET", f"{EVIDENCE}/heat.jpg", evidence.heat, JPEG, statuses=(304, 404), role="viewer"),
    Operation("GET", f"{EVIDENCE}/picture.jpg", evidence.picture, JPEG, statuses=(304, 404), role="viewer"),
    Operation("GET", f"{EVIDENCE}/clip.mp4", evidence.clip, MP4, statuses=(206, 304, 404, 416), role="viewer"),
    Operation("GET", f"{EVIDENCE}/{{n}}.jpg", evidence.crop, JPEG, statuses=(304, 404), role="viewer"),
    Operation("GET", f"{BASE}/system", system.system, SystemView, statuses=(304,), role="viewer", unscoped=True),
    Operation("GET", f"{BASE}/asyncapi.json", asyncapi, JSON, statuses=(304,), role="viewer"),
    Operation("GET", f"{BASE}/openapi.json", openapi, JSON, statuses=(304,), role="viewer"),
    Operation("GET", "/healthz", health.healthz, Alive, role=None),
    Operation("GET", "/readyz", health.readyz, Readiness, statuses=(503,), role=None),
    Operation("GET", "/metrics", health.metrics, TEXT, role="viewer", unscoped=True),
)


def routes(context: Context) -> list[Route]:
    """All of them, in their order: the first that fits serves."""
    return [operation.route(context) for operation in OPERATIONS]
