"""What needs an operator: grouped by its cause, dealt with together, each told by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from guardian.shortcuts import assign_perm

from audit.models import Event
from tests.workflows.conftest import ask
from tests.workflows.test_pages_runs import HOSTILE, browser, read, steered, workflow
from tests.workflows.test_runs import begun, claim, complete, step
from workflows.actions.models import Action
from workflows.pages.incidents import PARTICULAR, causes_for, key_of, others_for
from workflows.runs.models import Run, Step

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "the agent was mended"


def stop(alice: Any, clerk: Any, key: str) -> Step:
    """Let a run stop at its first step: the answer lacks what comes next needs."""
    run = begun(alice, key=key)
    complete(clerk, claim(clerk), kind="chat")
    return step(run, "read")


@pytest.fixture
def stopped(workflow, alice, clerk) -> list[Step]:
    return [stop(alice, clerk, f"letter-{number}") for number in range(3)]


def together(user: Any, verb: str, steps: list[Step], **more: Any) -> Any:
    body = {"verb": verb, "step": [str(one.pk) for one in steps], **more}
    return browser(user).post(reverse("incidents-together"), body)


def seen_on(sheet: Any) -> dict[str, str]:
    return dict(re.findall(r'name="(seen-[0-9a-f-]+)" value="([^"]+)"', sheet.content.decode()))


def test_cases_of_one_cause_stand_together_with_their_age_and_owner(stopped, carol, dave):
    ((cause,), is_cut) = causes_for(dave)
    assert (cause.count, is_cut, cause.may_steer) == (3, False, True)
    assert cause.owner
    page = read(dave, "incidents")
    for words in ("3 cases", "Owner:", "Answer letters: ", "does not have “pages”", "Try again…"):
        assert words in page
    for_carol = read(carol, "incidents")
    assert "3 cases" in for_carol
    assert "Try again…" not in for_carol


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Invoice 4711 is missing", "Invoice 4712 is missing", True),
        ("No room for 1,250.00 EUR", "No room for 3.50 EUR", True),
        ("01a22bea-d4c8-7234-b69e-aedbef5a6057 is gone", "01a22bea-d4c8-7234-b69e-aedbef5a6058 is gone", True),
        ("The supplier is unknown", "The supplier is blocked", False),
    ],
)
def test_numbers_and_ids_are_no_part_of_a_cause(one, other, is_same):
    assert (PARTICULAR.sub("#", one) == PARTICULAR.sub("#", other)) is is_same


def test_the_sheet_shows_what_each_would_change_and_changes_nothing(stopped, dave):
    sheet = together(dave, "retry", stopped[:2])
    page = sheet.content.decode()
    assert sheet.status_code == 200
    assert page.count("begins again, as attempt 2.") == 2
    assert len(seen_on(sheet)) == 2
    assert Step.objects.filter(is_parked=True).count() == 3


def test_those_chosen_are_tried_again_with_one_reason_each_on_record(stopped, dave):
    sheet = together(dave, "retry", stopped[:2])
    refused = together(dave, "retry", stopped[:2], deed="do", reason="no", **seen_on(sheet))
    assert refused.status_code == 422
    done = together(dave, "retry", stopped[:2], deed="do", reason=WHY, **seen_on(sheet))
    assert "2 of 2 were done." in done.content.decode()
    assert Run.objects.filter(state="running").count() == 2
    assert Event.objects.filter(verb="runs.run_resumed", reason=WHY).count() == 2
    assert "1 case<" in read(dave, "incidents")


def test_what_changed_meanwhile_is_left_and_hinders_no_other(stopped, alice, dave):
    sheet = together(dave, "retry", stopped)
    steered(alice, "run-cancel", stopped[1].run_id)
    done = together(dave, "retry", stopped, deed="do", reason=WHY, **seen_on(sheet))
    page = done.content.decode()
    assert "2 of 3 were done." in page
    assert "These were left as they are:" in page
    assert sorted(Run.objects.values_list("state", flat=True)) == ["cancelled", "running", "running"]


def test_nothing_is_done_that_was_not_on_a_sheet(stopped, dave):
    done = together(dave, "retry", stopped[:1], deed="do", reason=WHY)
    assert done.status_code == 409
    assert Step.objects.filter(is_parked=True).count() == 3


def test_a_whole_cause_is_skipped_or_its_runs_cancelled(stopped, dave):
    ((cause,), _) = causes_for(dave)
    address = reverse("incidents-together")
    sheet = browser(dave).post(address, {"verb": "cancel", "cause": cause.key})
    assert len(seen_on(sheet)) == 3
    done = together(dave, "cancel", stopped, deed="do", reason=WHY, **seen_on(sheet))
    assert "3 of 3 were done." in done.content.decode()
    assert set(Run.objects.values_list("state", flat=True)) == {"cancelled"}
    assert "Nothing needs an operator" in read(dave, "incidents")


def test_what_cannot_be_skipped_says_so_on_the_sheet(stopped, dave):
    sheet = together(dave, "skip", stopped[:1])
    assert sheet.status_code == 200
    assert seen_on(sheet) or "left out" in sheet.content.decode()


def test_nothing_chosen_says_so(stopped, dave):
    for body in (
        {"verb": "retry"},
        {"verb": "dance", "step": [str(stopped[0].pk)]},
        {"step": ["x"], "verb": "skip"},
    ):
        answer = browser(dave).post(reverse("incidents-together"), body)
        assert answer.status_code == 422
        assert "choose at least one" in answer.content.decode()


def test_who_may_not_steer_cannot(stopped, carol, mallory, alice):
    assert together(carol, "retry", stopped).status_code == 403
    assert together(mallory, "retry", stopped).status_code == 422  # for them there is no such case
    assert "Nothing needs an operator" in read(mallory, "incidents")
    assert Step.objects.filter(is_parked=True).count() == 3


def test_who_may_steer_one_run_deals_with_that_one(stopped, carol):
    assign_perm("runs.steer_run", carol, stopped[0].run)
    ((cause,), _) = causes_for(carol)
    assert [case.may_steer for case in cause.cases] == [True, False, False]
    sheet = together(carol, "retry", stopped)
    assert len(seen_on(sheet)) == 1


def test_what_is_in_doubt_leads_to_its_own_page(clerk, carol, dave, fake):
    held = ask(clerk, number="RE-1")
    Action.objects.filter(pk=held.pk).update(state="dispatched", dispatched_at=held.requested_at)
    Action.objects.filter(pk=held.pk).update(state="in_doubt")
    (one,) = others_for(dave)
    assert (one.title, one.link) == (held.label, reverse("action", args=[held.pk]))
    assert held.label in read(dave, "incidents")


def test_hostile_words_stay_words(stopped, dave):
    Step.objects.filter(pk=stopped[0].pk).update(error={"code": "torn", "message": HOSTILE})
    page = read(dave, "incidents")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert key_of(Step.objects.get(pk=stopped[0].pk)) != key_of(Step.objects.get(pk=stopped[1].pk))


@pytest.mark.parametrize("many", [1, 4])
def test_the_page_costs_the_same_for_few_and_for_many(
    many, workflow, alice, dave, clerk, django_assert_max_num_queries
):
    for number in range(many):
        stop(alice, clerk, f"letter-{number}")
    client = browser(dave)
    client.get(reverse("incidents"))
    with django_assert_max_num_queries(40):
        client.get(reverse("incidents"))
