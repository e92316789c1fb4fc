"""The frame of every page asks for what it shows and no more."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_the_lists_of_the_admin_are_asked_for_when_they_are_looked_at(carol: Any, mallory: Any) -> None:
    for person in (carol, mallory):
        request = RequestFactory().get("/")
        request.user = person
        apps = admin.site.get_app_list(request)
        with CaptureQueriesContext(connection) as asked:
            labels = [app["app_label"] for app in apps]
        assert bool(labels) == bool(asked.captured_queries and person == carol)


def test_the_index_of_an_app_shows_its_lists_and_to_strangers_none(carol: Any, mallory: Any) -> None:
    address = reverse("admin:app_list", args=["agents"])
    for person, status in ((carol, 200), (mallory, 404)):
        client = Client()
        client.force_login(person)
        assert client.get(address).status_code == status
