"""The one front door: sockets and long polls through ASGI, everything else through WSGI worker pools.

Django's ASGI handler gives each request a new thread and database connection, which costs about three
quarters of the throughput; so ordinary requests go through a2wsgi. Pages (which include every stop button)
have a pool of their own, so that a busy API can never make a person wait to stop it; and so do files, which
move at the pace of whoever sends or fetches them.
"""

from __future__ import annotations

import os
import re
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import SessionMiddlewareStack
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
django_asgi = get_asgi_application()

from autonomy.pace import FILE_SECONDS, within  # noqa: E402
from autonomy.pulse import lifespan  # noqa: E402
from autonomy.wsgi import application as django_wsgi  # noqa: E402 - the apps must be loaded first
from workflows.api.long_poll import wait_for_answer  # noqa: E402
from workflows.routing import long_poll_paths, websocket_urlpatterns  # noqa: E402

API_WORKERS = int(os.environ.get("API_THREADS", "16"))
PAGE_WORKERS = int(os.environ.get("PAGE_THREADS", "8"))
FILE_WORKERS = int(os.environ.get("FILE_THREADS", "4"))
FILES = re.compile(r"/api/v1/documents(/[^/]+/content)?/?$")
api = WSGIMiddleware(cast("Any", django_wsgi), workers=API_WORKERS)
pages = WSGIMiddleware(cast("Any", django_wsgi), workers=PAGE_WORKERS)
files = WSGIMiddleware(cast("Any", django_wsgi), workers=FILE_WORKERS)


async def http(scope, receive, send):  # type: ignore[no-untyped-def]
    """Send one HTTP request to the pool that fits it."""
    path = scope["path"]
    # WSGI cannot tell X_Forwarded_Proto from X-Forwarded-Proto: a header spelled so is dropped, as nginx does.
    scope = {**scope, "headers": [header for header in scope["headers"] if b"_" not in header[0]]}
    target = f"{path}?{scope['query_string'].decode('latin-1')}"
    if any(pattern.match(target) for pattern in long_poll_paths):
        await wait_for_answer(api, scope, receive, send)
    elif FILES.match(path):
        await files(scope, *within(FILE_SECONDS, receive, send))
    elif path.startswith(("/api/", "/oauth/")):
        await api(scope, receive, send)
    else:
        await pages(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http,
        "lifespan": lifespan,
        "websocket": AllowedHostsOriginValidator(SessionMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
