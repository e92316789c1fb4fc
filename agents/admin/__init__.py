"""The workforce room in the admin; one module per kind of object."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group
from oauth2_provider.models import get_device_grant_model

from agents.admin import (
    agent,
    calendars,
    changes,
    credentials,
    employment,
    limits,
    organisation,
    people,
    policy,
    retention,
    rules,
    stops,
    throttle,
)
from agents.models import AccessToken, Grant, IDToken, OAuthApplication, RefreshToken

__all__ = [
    "agent",
    "calendars",
    "changes",
    "credentials",
    "employment",
    "limits",
    "organisation",
    "people",
    "policy",
    "retention",
    "rules",
    "stops",
    "throttle",
]

# Stock pages that would change rights or credentials without a service, a reason and an event.
for stock in (Group, OAuthApplication, AccessToken, Grant, RefreshToken, IDToken, get_device_grant_model()):
    if admin.site.is_registered(stock):
        admin.site.unregister(stock)
