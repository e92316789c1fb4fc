"""What this room adds to the site."""

from __future__ import annotations

from django.urls import path

from audit.api import EventFeed

api_urlpatterns = [path("events", EventFeed.as_view(), name="events")]
