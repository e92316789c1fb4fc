from __future__ import annotations

from typing import Any

import pytest
from django.test import Client


@pytest.mark.django_db
def test_nobody_keeps_what_the_api_answers(alice: Any) -> None:
    client = Client()
    assert client.get("/api/v1/me").headers["Cache-Control"] == "no-store"
    client.force_login(alice)
    for address in ("/api/v1/me", "/api/v1/approvals", "/api/v1/nothing-here"):
        assert client.get(address).headers["Cache-Control"] == "no-store"
