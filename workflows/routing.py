"""Where sockets and long polls live; everything else is an ordinary request."""

from __future__ import annotations

import re

from django.urls import URLPattern, path

from workflows.consumers import LiveConsumer

# Matched against path and query string: only a request that wants to wait leaves the worker pools.
long_poll_paths: list[re.Pattern[str]] = [
    re.compile(r"/api/v1/actions/[0-9a-fA-F-]{36}/?\?(?:[^#]*&)?wait=[0-9]"),
    re.compile(r"/api/v1/tasks/[0-9a-fA-F-]{36}/?\?(?:[^#]*&)?wait=[0-9]"),
    re.compile(r"/api/v1/tasks/claim/?\?(?:[^#]*&)?wait=[0-9]"),
]
websocket_urlpatterns: list[URLPattern] = [path("ws/live/", LiveConsumer.as_asgi())]
