from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from audit import registry, services
from audit.vocabulary import Actor, Ref

SYSTEM = Actor.system("tests")
THING = Ref("tests.thing", "1", "A thing")


@pytest.fixture
def verbs(monkeypatch):
    """Two verbs of the tests' own."""
    known = {"tests.thing_done": "A thing was done.", "tests.thing_refused": "A thing was refused."}
    monkeypatch.setattr(registry, "_verbs", {**registry._verbs, **known})


@pytest.fixture
def record(verbs):
    """Record an event about a thing in a transaction of its own."""

    def record(**more):
        facts = {"actor": SYSTEM, "verb": "tests.thing_done", "subject": THING, "sentence": "A thing was done."}
        with transaction.atomic():
            return services.record_event(**(facts | more))

    return record


@contextmanager
def role(live_db, name):
    """Let Django work as another database role for a while."""
    url = urlsplit(live_db.url(name))
    settings = connection.settings_dict
    before = settings["USER"], settings["PASSWORD"]
    connection.close()
    settings.update(USER=unquote(url.username), PASSWORD=unquote(url.password or ""))
    try:
        yield
    finally:
        connection.close()
        settings.update(USER=before[0], PASSWORD=before[1])


@pytest.fixture
def number(live_db):
    """Number what is pending, as the sequencer's database role."""

    def number(limit=1000):
        with role(live_db, "sequencer"):
            return services.sequence_pending(limit=limit)

    return number


@pytest.fixture
def seal(live_db):
    """Seal what is numbered with a given sealer, as the sequencer's database role."""

    def seal(sealer):
        with role(live_db, "sequencer"):
            return sealer.seal()

    return seal


@pytest.fixture
def auditor(carol):
    """Carol with the three permissions of an auditor as her own, so that a test can take one away."""
    carol.groups.clear()
    names = ["view_event", "view_every_event", "view_payload"]
    carol.user_permissions.set(Permission.objects.filter(content_type__app_label="audit", codename__in=names))
    return type(carol).objects.get(pk=carol.pk)
