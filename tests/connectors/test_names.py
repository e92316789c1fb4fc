"""The name of an operation is edited where it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse


@pytest.mark.django_db
def test_the_name_of_an_operation_can_be_edited(book: dict[str, Any], alice: Any) -> None:
    client = Client()
    client.force_login(alice)
    page = client.get(reverse("admin:connectors_operation_change", args=[book["find"].pk]))
    assert {"name", "description"} <= set(page.context_data["adminform"].form.fields)
    assert book["find"].name in client.get(reverse("admin:connectors_operation_changelist")).content.decode()
