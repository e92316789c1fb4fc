from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection


@pytest.fixture
def as_sequencer(db):
    """Act as the sequencer's role inside the test's transaction, where the connected role may."""

    @contextmanager
    def act():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            connected = cursor.fetchone()[0]
        if connected == settings.DATABASE_ROLE_NAMES["owner"]:
            yield
            return
        pytest.skip("The application's role cannot become the sequencer.")

    return act
