"""Where sockets and long polls live; everything else is an ordinary request."""

from __future__ import annotations

import re

from django.urls import URLPattern

long_poll_paths: list[re.Pattern[str]] = []
websocket_urlpatterns: list[URLPattern] = []
