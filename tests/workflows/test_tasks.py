from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from audit.models import Event
from audit.vocabulary import Ref, Refusal
from tests.company import person
from tests.workflows.conftest import TESTS
from workflows.tasks import selectors, services
from workflows.tasks.models import Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(dave: Any) -> Task:
    return services.open_task(
        actor=TESTS,
        kind=Task.Kind.HUMAN_WORK,
        title="Call the supplier",
        subject=Ref("actions.action", "1", "Invoice"),
        groups=dave.groups.all(),
        references={"action_id": "1"},
    )


def test_a_candidate_claims_and_completes(task: Task, dave: Any) -> None:
    claimed = services.claim_task(actor=dave.as_actor(), task_id=task.pk)
    assert (claimed.state, claimed.epoch) == ("claimed", 1)
    done = services.complete_task(actor=dave.as_actor(), task_id=task.pk, epoch=1, reason="reached them")
    assert (done.state, done.closed_at is not None) == ("done", True)
    assert Event.objects.filter(action_id="1").count() == 3


def test_only_candidates_claim_and_one_at_a_time(task: Task, dave: Any, mallory: Any) -> None:
    other = person("dora", "Operators")
    with pytest.raises(Refusal, match="not a candidate"):
        services.claim_task(actor=mallory.as_actor(), task_id=task.pk)
    services.claim_task(actor=dave.as_actor(), task_id=task.pk)
    with pytest.raises(Refusal) as refused:
        services.claim_task(actor=other.as_actor(), task_id=task.pk)
    assert refused.value.code == "task_taken"


def test_a_stale_epoch_is_refused(task: Task, dave: Any) -> None:
    services.claim_task(actor=dave.as_actor(), task_id=task.pk)
    services.claim_task(actor=dave.as_actor(), task_id=task.pk)
    with pytest.raises(Refusal) as refused:
        services.complete_task(actor=dave.as_actor(), task_id=task.pk, epoch=1)
    assert refused.value.code == "task_stale"


def test_a_lapsed_claim_goes_back_to_its_candidates(task: Task, dave: Any) -> None:
    services.claim_task(actor=dave.as_actor(), task_id=task.pk, lease_seconds=60)
    assert services.release_lapsed() == 0
    Task.objects.update(lease_until=Now())
    assert services.release_lapsed() == 1
    task.refresh_from_db()
    assert (task.state, task.claimed_by) == ("open", None)


def test_a_closed_task_stays_closed(task: Task, dave: Any) -> None:
    services.claim_task(actor=dave.as_actor(), task_id=task.pk)
    services.cancel_task(actor=dave.as_actor(), task_id=task.pk, reason="no longer needed")
    with pytest.raises(Refusal) as refused:
        services.complete_task(actor=dave.as_actor(), task_id=task.pk)
    assert refused.value.code == "task_closed"


def test_who_may_not_see_a_task_cannot_speak_about_it(task: Task, dave: Any, mallory: Any) -> None:
    services.comment(actor=dave.as_actor(), task_id=task.pk, text="I will call at noon")
    with pytest.raises(Refusal) as refused:
        services.comment(actor=mallory.as_actor(), task_id=task.pk, text="let me in")
    assert refused.value.code == "not_found"
    assert task.comments.count() == 1
    assert list(selectors.waiting_for(dave)) == [task]
    assert not selectors.visible_to(mallory).exists()


@pytest.mark.parametrize("kind", [Task.Kind.EXCEPTION, Task.Kind.HUMAN_WORK, Task.Kind.AGENT_WORK])
def test_the_words_of_a_workflow_are_its_own_and_those_of_the_portal_are_not(kind: str) -> None:
    written = Task(kind=kind, title="3 minutes", subject_kind="runs.step")
    assert written.is_given
    for subject in ("tasks.task", "appeals.appeal", "agents.agent", "actions.action"):
        assert not Task(kind=kind, title="A question of Robo", subject_kind=subject).is_given
