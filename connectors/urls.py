"""What this room adds to the site."""

from __future__ import annotations

from django.urls import path

from connectors.api import SystemList

api_urlpatterns = [path("systems", SystemList.as_view(), name="systems")]
