"""A company with a mail server, and a chat that listens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflows.notices.post_office import Chat, MailServer


@pytest.fixture
def office(settings: Any) -> Iterator[MailServer]:
    """A mail server, set up as docs/installing.md says."""
    server = MailServer()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "Portal <portal@northwind.example>"
    yield server
    server.close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    """A chat system."""
    running = Chat()
    yield running
    running.close()
