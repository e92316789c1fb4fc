"""What one request, one job or one command causes is found in the ledger by one id."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from audit.cause import begin_cause, end_cause, one_cause, present_cause
from audit.models import Event
from audit.registry import UnregisteredVerb, register_remedies, remedy_of
from audit.services import record_event
from audit.vocabulary import Actor, Ref
from autonomy.celery import app
from tests.company import PASSWORD

TESTS = Actor.system("tests")


def record(**told: Any) -> Event:
    with transaction.atomic():
        found = {"verb": "audit.change_refused", "subject": Ref("tests.thing", "1"), "sentence": "It did."}
        return record_event(actor=TESTS, **{**found, **told})


def test_what_is_inside_another_is_of_its_own_and_gives_way_again() -> None:
    assert present_cause() == ""
    with one_cause("first"):
        with one_cause():
            assert present_cause() not in ("", "first")
        assert present_cause() == "first"
        with pytest.raises(RuntimeError), one_cause("broken"):
            raise RuntimeError
        assert present_cause() == "first"
    assert present_cause() == ""
    assert begin_cause("plain") == ""
    end_cause()
    assert present_cause() == ""


@pytest.mark.django_db
def test_an_event_carries_the_id_of_what_is_going_on_unless_it_has_its_own() -> None:
    with one_cause("the-request"):
        assert record().correlation_id == "the-request"
        assert record(correlation_id="the-action").correlation_id == "the-action"
    assert record().correlation_id == ""


@pytest.mark.django_db
def test_everything_that_one_request_records_has_one_id_and_the_next_another(bob: Any) -> None:
    ids = []
    for password in ("wrong", PASSWORD):
        before = set(Event.objects.values_list("pk", flat=True))
        Client().post(reverse("admin:login"), {"username": "bob", "password": password})
        made = Event.objects.exclude(pk__in=before)
        assert made
        ids.append(set(made.values_list("correlation_id", flat=True)))
    assert [len(some) for some in ids] == [1, 1]
    assert not ids[0] & ids[1]
    assert "" not in ids[0] | ids[1]
    assert present_cause() == ""


@pytest.mark.django_db
def test_nobody_outside_chooses_it(bob: Any) -> None:
    headers = {"X-Request-Id": "chosen", "X-Correlation-Id": "chosen", "traceparent": "chosen"}
    Client(headers=headers).post(reverse("admin:login"), {"username": "bob", "password": PASSWORD})
    assert Event.objects.exists()
    assert not Event.objects.filter(correlation_id="chosen").exists()


def test_a_job_is_found_by_its_own_id_and_inside_a_request_it_is_the_requests(monkeypatch: Any) -> None:
    from celery.signals import task_postrun, task_prerun

    job = next(job for name, job in app.tasks.items() if name.startswith("workflows."))
    told = {"sender": job, "task": job, "task_id": "the-job", "args": (), "kwargs": {}}
    job.push_request(id="the-job", is_eager=False)
    try:
        task_prerun.send(**told)
        assert present_cause() == "the-job"
        task_postrun.send(**told, retval=None, state="SUCCESS")
        assert present_cause() == ""
    finally:
        job.pop_request()
    job.push_request(id="the-job", is_eager=True)
    try:
        with one_cause("the-request"):
            task_prerun.send(**told)
            assert present_cause() == "the-request"
            task_postrun.send(**told, retval=None, state="SUCCESS")
            assert present_cause() == "the-request"
    finally:
        job.pop_request()


def test_a_remedy_is_of_a_verb_that_is_known() -> None:
    with pytest.raises(UnregisteredVerb):
        register_remedies({"nobody.said_so": "nothing"})
    assert remedy_of("agents.agent_paused") == "agent_paused"
    assert remedy_of("agents.agent_registered") == ""
