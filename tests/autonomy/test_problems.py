"""Errors that no view foresaw leave the API as problems, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from agents.api import workforce


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("server closed the connection"), 503, "database_away"),
        (KeyError("x"), 500, "internal_error"),
    ],
)
def test_a_lost_database_is_said_to_be_temporary_and_a_bug_is_not(
    alice: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def broken(user: Any) -> Any:
        raise error

    monkeypatch.setattr(workforce, "_agents", broken)
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    answer = client.get("/api/v1/agents")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.get("Retry-After") == ("2" if status == 503 else None)
