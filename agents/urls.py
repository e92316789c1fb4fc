"""Addresses of the workforce room: the token endpoint, and what it adds to the API."""

from __future__ import annotations

from django.urls import URLPattern, path

from agents.api.oauth import TokenView

urlpatterns = [path("oauth/token", TokenView.as_view(), name="oauth-token")]
api_urlpatterns: list[URLPattern] = []
