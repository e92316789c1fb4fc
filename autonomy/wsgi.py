"""Pages and API calls are served through WSGI workers; see autonomy.asgi for the whole front door."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "autonomy.settings")
application = get_wsgi_application()
