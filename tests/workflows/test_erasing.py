"""What ended is erased when it is old enough; what open work needs or a hold names stays."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit import selectors
from audit.models import Event
from audit.services import erasing, keeping
from audit.vocabulary import Actor, Ref, Refusal
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_documents import store
from tests.workflows.test_runs import WHY, publish, start
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.documents.selectors import path_of
from workflows.documents.services import open_verified
from workflows.runs import services as runs
from workflows.runs.models import Run, RunDocument

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints", "holds")]
TESTS = Actor.system("tests")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let so many days pass for whoever asks the database's clock."""
    now = selectors.database_now

    def later(days: int) -> None:
        monkeypatch.setattr(selectors, "database_now", lambda: now() + timedelta(days=days))

    return later


def told(code: str) -> list[Any]:
    found = Event.objects.filter(verb="audit.content_erased", code=code)
    return [event.payload.data["count"] for event in found]


def done(agent: Any) -> Any:
    """Let the agent post an invoice; return the action."""
    action = ask(agent)
    run_action(action_id=action.pk)
    action.refresh_from_db()
    return action


def hold_on(**what: Any) -> Any:
    return keeping.place_hold(actor=TESTS, user=None, reason=WHY, **what)


def test_the_bytes_of_a_document_go_and_may_come_again(robo: Any, later: Any) -> None:
    document = store(robo.user)
    erasing.erase_expired()
    open_verified(document).close()
    later(397)
    erasing.erase_expired()
    assert told("documents") == [1]
    assert not path_of(document.sha256).exists()
    with pytest.raises(Refusal, match="erased on"):
        open_verified(document)
    erasing.erase_expired()
    assert told("documents") == [1]
    assert store(robo.user).pk == document.pk
    open_verified(document).close()


def test_bytes_that_a_killed_process_left_go_the_next_time(robo: Any, later: Any) -> None:
    document = store(robo.user)
    later(397)
    erasing.erase_expired()
    path_of(document.sha256).write_bytes(b"<invoice/>")
    erasing.erase_expired()
    assert not path_of(document.sha256).exists()


def test_an_ended_action_loses_what_it_was_about_once(clerk: Any, later: Any) -> None:
    action = done(clerk)
    assert action.state == "confirmed"
    hold_above(1)
    held = ask(clerk, number="RE-2")
    assert held.state == "held"
    later(397)
    erasing.erase_expired()
    action.refresh_from_db()
    assert (action.arguments, action.result, action.state) == ({}, None, "confirmed")
    assert action.erased_at
    assert len(action.arguments_digest) == 64
    held.refresh_from_db()
    assert held.arguments
    for change in ({"arguments": {"a": 1}}, {"erased_at": None}, {"erased_at": action.requested_at}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Action.objects.filter(pk=action.pk).update(**change)
    for change in ({"arguments": {}}, {"erased_at": action.requested_at}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Action.objects.filter(pk=held.pk).update(**change)
    assert told("actions.arguments") == [1]


def test_a_hold_keeps_actions_also_where_nobody_can_tell_what_it_covers(clerk: Any, later: Any) -> None:
    action = done(clerk)
    later(397)
    for what in (
        {"scope": "agent", "target_id": str(clerk.pk)},
        {"scope": "action", "target_id": str(action.pk)},
        {"scope": "department", "target_id": str(clerk.department_id)},
        {"scope": "object", "target_kind": "documents.document", "target_id": "1"},
        {"scope": "period", "begins_on": "2020-01-01", "ends_on": "2099-01-01"},
    ):
        hold = hold_on(**what)
        erasing.erase_expired()
        assert told("actions.arguments") == [], what
        keeping.end_hold(actor=TESTS, user=None, asked_by="another", hold=hold, reason=WHY)
    hold_on(scope="agent", target_id="not an id")
    hold_on(scope="run", target_id="0190a0a0-0000-7000-8000-000000000000")
    erasing.erase_expired()
    assert told("actions.arguments") == [1]


def test_an_ended_run_loses_its_evidence_and_an_open_one_keeps_its_documents(
    clerk: Any, alice: Any, bob: Any, later: Any
) -> None:
    publish(alice, bob)
    ended, going = start(alice), start(alice, key="letter-2")
    document = store(clerk.user, content=io.BytesIO(b"<open/>").getvalue())
    RunDocument.objects.create(run=going, document=document)
    runs.tick()
    runs.cancel_run(actor=alice.as_actor(), run=ended, reason=WHY)
    runs.tick()
    later(397)
    erasing.erase_expired()
    ended.refresh_from_db()
    going.refresh_from_db()
    assert (ended.input, ended.output, ended.erased_at is not None) == ({}, None, True)
    assert not ended.steps.exclude(input={}).exists()
    assert going.input
    open_verified(document).close()
    assert told("documents") == []
    for run, change in ((ended, {"input": {"a": 1}}), (ended, {"erased_at": None}), (going, {"input": {}})):
        with pytest.raises(DatabaseError), transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**change)


def test_on_request_what_an_agent_was_about_goes(clerk: Any) -> None:
    action = done(clerk)
    found = {one.data_class.code: one.count for one in erasing.about(Ref("agents.agent", str(clerk.pk)))}
    assert found["actions.arguments"] == 1
    assert found["runs.evidence"] == 0
    erasing.erase_about(
        actor=TESTS,
        subject=Ref("agents.agent", str(clerk.pk)),
        reason=WHY,
        told=Ref("tests.request", "1", "one"),
    )
    action.refresh_from_db()
    assert action.arguments == {}
