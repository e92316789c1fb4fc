"""The pages of the verbs: what is offered would be accepted, what is shown is done, and a refusal is one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import offers
from audit.vocabulary import Refusal
from tests.sent_back import held
from tests.workflows.conftest import hold_above, new_agent
from tests.workflows.test_migration import renamed
from tests.workflows.test_pages_runs import browser, read, steered
from tests.workflows.test_runs import begun, claim, complete, publish, step, workflow
from tests.workflows.test_runs_frames import both, hand_in
from workflows.actions.models import Action
from workflows.actions.services import executing
from workflows.runs import services
from workflows.runs.choices import RunVerb, StepVerb
from workflows.runs.models import Run, Step

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
PLAIN = {StepVerb.RETRY: services.Retry, StepVerb.RERUN: services.Rerun, StepVerb.SKIP: services.Skip}


def offered(run: Run, node: str) -> set[str]:
    found = services.verbs_of_steps(Run.objects.get(pk=run.pk), list(run.steps.all()))
    return {str(verb) for verb in found.get(step(run, node).pk, ())}


def accepted(who: Any, run: Run, one: Step) -> set[StepVerb]:
    """Return which verbs that ask nothing more their own preview does not refuse."""
    found = set()
    for verb, made in PLAIN.items():
        try:
            services.preview_steering(actor=who.as_actor(), run=run, verb=made(), step=one)
        except Refusal:
            continue
        found.add(verb)
    return found


def check_offers(who: Any, run: Run) -> None:
    """What is offered of each step is exactly what would be accepted."""
    steps = list(run.steps.select_related("task", "action"))
    offers = services.verbs_of_steps(Run.objects.get(pk=run.pk), steps)
    for one in steps:
        assert set(offers.get(one.pk, ())) & set(PLAIN) == accepted(who, run, one), one.node


def test_a_step_offers_exactly_what_its_verbs_accept(workflow, alice, dave, clerk, fake):
    hold_above(10_000)
    run = begun(alice)
    check_offers(dave, run)
    assert offered(run, "read") == {"override", "skip", "redirect", "deadline", "rerun"}
    complete(clerk, claim(clerk), kind="order")
    check_offers(dave, run)
    assert offered(run, "read") == {"override", "rerun"}
    assert offered(run, "enter") == {"override", "skip", "redirect", "deadline", "rerun"}
    steered(dave, "run-cancel", run.pk)
    assert services.verbs_of_steps(Run.objects.get(pk=run.pk), list(run.steps.all())) == {}
    assert services.verbs_of_run(Run.objects.get(pk=run.pk)) == []


def test_what_may_be_on_its_way_into_a_system_is_not_offered_again(workflow, alice, dave, clerk, fake):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    executing._begin(Action.objects.get().pk)  # the worker has just committed that it does it
    check_offers(dave, run)
    assert offered(run, "read") == {"override"}
    assert offered(run, "enter") == {"override", "skip", "deadline"}


def test_an_incident_offers_to_try_again_and_an_older_attempt_nothing(workflow, alice, dave, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    run.refresh_from_db()
    check_offers(dave, run)
    assert "retry" in offered(run, "read")
    assert RunVerb.RETRY in services.verbs_of_run(run)
    steered(dave, "step-retry", run.pk, step(run, "read").pk)
    check_offers(dave, run)
    offers = services.verbs_of_steps(Run.objects.get(pk=run.pk), list(run.steps.all()))
    assert [one.generation for one in run.steps.filter(pk__in=offers)] == [2]


def test_what_is_joined_is_done_again_only_from_where_it_was_opened(clerk, alice, bob, dave):
    both(alice, bob)
    run = begun(alice)
    hand_in(clerk, sum=1)
    check_offers(dave, run)
    hand_in(clerk, sum=2)
    check_offers(dave, run)


VERBS_OF_RUN = {"pause": {"clocks": "run"}, "priority": {"priority": "1"}, "compensate": {}, "cancel": {}}


@pytest.mark.parametrize("verb", VERBS_OF_RUN)
def test_a_verb_of_a_run_is_looked_at_and_then_done(workflow, alice, dave, clerk, verb):
    run = begun(alice)
    address = reverse(f"run-{verb}", args=[run.pk])
    assert address in read(dave, "run", run.pk)
    refused = browser(dave).post(address, {**VERBS_OF_RUN[verb], "deed": "do", "reason": "no look at it"})
    assert (refused.status_code, run.interventions.count()) == (422, 0)
    assert "look first at what it would change" in refused.content.decode()
    done = steered(dave, f"run-{verb}", run.pk, **VERBS_OF_RUN[verb])
    assert (done.status_code, done["Location"]) == (302, reverse("run", args=[run.pk]))
    assert run.interventions.get().verb == verb


def test_a_reason_is_asked_and_what_was_typed_is_kept(workflow, alice, dave, clerk):
    run = begun(alice)
    said = steered(dave, "run-priority", run.pk, priority="2", reason="x")
    page = said.content.decode()
    assert (said.status_code, run.interventions.count()) == (422, 0)
    assert "say why" in page
    assert said.context["form"]["priority"].value() == "2"
    assert "The priority of the run is 2 instead of 3." in page


def test_what_happened_meanwhile_is_shown_and_nothing_done(workflow, alice, dave, clerk):
    run = begun(alice)
    address = reverse("step-skip", args=[run.pk, step(run, "read").pk])
    seen = browser(dave).get(address).context["effect"].seen
    claim(clerk)
    said = browser(dave).post(address, {"deed": "do", "seen": seen, "reason": "nobody needs it"})
    page = said.content.decode()
    assert (said.status_code, step(run, "read").state) == (409, "running")
    assert "not as it was when you looked" in page
    assert "Robo loses the task" in page
    again = {"deed": "do", "seen": said.context["effect"].seen, "reason": "nobody needs it"}
    assert browser(dave).post(address, again).status_code == 302


def test_what_cannot_be_done_says_so_before_anybody_tries(workflow, alice, dave, clerk):
    run = begun(alice)
    page = read(dave, "step-retry", run.pk, step(run, "read").pk)
    assert "does not wait for an operator" in page
    assert 'name="seen"' not in page
    assert "is not paused" in read(dave, "run-resume", run.pk)


def test_an_answer_is_given_in_the_form_of_the_step(workflow, alice, dave, clerk):
    run = begun(alice)
    one = step(run, "read")
    page = read(dave, "step-override", run.pk, one.pk)
    assert 'name="answer-kind"' in page
    wrong = browser(dave).post(
        reverse("step-override", args=[run.pk, one.pk]), {"deed": "look", "answer-pages": "many"}
    )
    assert wrong.status_code == 422
    given = {"answer-kind": "chat", "answer-pages": "1"}
    assert steered(dave, "step-override", run.pk, one.pk, **given).status_code == 302
    assert step(run, "read").answer == {"kind": "chat", "pages": 1}


def test_the_answer_of_a_closed_step_is_there_to_be_corrected(workflow, alice, dave, clerk):
    hold_above(10_000)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order", pages=7)
    assert "Correct its answer" in read(dave, "run", run.pk)
    assert 'value="7"' in read(dave, "step-override", run.pk, step(run, "read").pk)
    enter = step(run, "enter")
    bad = {"deed": "look", "answer-answer": "[1]"}
    address = reverse("step-override", args=[run.pk, enter.pk])
    assert "Write an object" in browser(dave).post(address, bad).content.decode()
    assert steered(dave, "step-override", run.pk, enter.pk, **{"answer-answer": "{}"}).status_code == 302


def test_the_page_of_skip_leads_to_an_answer_in_its_place(workflow, alice, dave, clerk):
    run = begun(alice)
    one = step(run, "read")
    answer = reverse("step-override", args=[run.pk, one.pk])
    assert f'href="{answer}"' in read(dave, "step-skip", run.pk, one.pk)


def test_work_is_given_only_to_who_may_take_it(workflow, alice, bob, dave, mallory, clerk, book):
    rita = new_agent(alice, "rita")
    run = begun(alice)
    claim(clerk)
    one = step(run, "read")
    page = read(dave, "step-redirect", run.pk, one.pk)
    assert "Rita" in page
    assert str(bob.pk) in page
    for nobody in (mallory, clerk.user):  # in no group, and who has it already
        assert str(nobody.pk) not in page
    assert steered(dave, "step-redirect", run.pk, one.pk, to=str(rita.user_id)).status_code == 302
    assert step(run, "read").task.candidate_users.get() == rita.user


def test_among_many_whom_work_is_given_to_is_found_by_what_is_typed(
    workflow, alice, dave, mallory, clerk, monkeypatch
):
    rita = new_agent(alice, "rita")
    run = begun(alice)
    claim(clerk)
    one = step(run, "read")
    monkeypatch.setattr(offers, "MOST_LISTED", 0)
    address = reverse("step-takers", args=[run.pk, one.pk])
    page = read(dave, "step-redirect", run.pk, one.pk)
    assert f'data-choices="{address}"' in page
    assert str(rita.user_id) not in page

    def found(typed: str) -> list[str]:
        return [it["label"] for it in browser(dave).get(address, {"q": typed}).json()["found"]]

    assert found("rit") == ["Rita (rita), agent"]
    assert found(clerk.code) == []  # has it already
    assert "Approvers, group" in found("")
    assert "Bob (bob), person" in found("bo")
    assert browser(mallory).get(address).status_code == 404
    wrong = browser(dave).post(
        reverse("step-redirect", args=[run.pk, one.pk]), {"deed": "look", "to": clerk.code}
    )
    assert wrong.status_code == 422
    assert steered(dave, "step-redirect", run.pk, one.pk, to="rita").status_code == 302
    assert step(run, "read").task.candidate_users.get() == rita.user


@pytest.mark.parametrize("most", [0, 100], ids=["box", "list"])
def test_a_german_reader_gives_work_to_whom_it_shows(workflow, alice, bob, dave, clerk, monkeypatch, most):
    rita = new_agent(alice, "rita")
    run = begun(alice)
    claim(clerk)
    one = step(run, "read")
    monkeypatch.setattr(offers, "MOST_LISTED", most)
    client, address = browser(dave), reverse("step-redirect", args=[run.pk, one.pk])
    client.cookies["django_language"] = "de"
    for to, shown in ((f"{bob.pk}", "Bob (bob), Person"), (f"{rita.user_id}", "Rita (rita), Agent")):
        looked = client.post(address, {"to": to, "deed": "look"})
        form = held(looked.content.decode(), "to")
        assert form["to"] == (to if most else shown)
    done = client.post(address, {**form, "deed": "do", "reason": "it has to be done so"})
    assert done.status_code == 302
    assert step(run, "read").task.candidate_users.get() == rita.user


def test_whom_work_may_be_given_to_is_asked_as_often_for_many_as_for_few(workflow, alice, dave, clerk):
    new_agent(alice, "rita")
    run = begun(alice)
    claim(clerk)
    one = step(run, "read")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            read(dave, "step-redirect", run.pk, one.pk)
        return len(queries)

    asked()
    few = asked()
    for at in range(12):
        new_agent(alice, f"clone-{at}")
    assert asked() == few
    offer = services.who_could_take(actor=dave.as_actor(), run=run, step=one)
    assert len(offer.found("clone")) == 12


def test_a_deadline_is_a_time_of_the_companys_clock(workflow, alice, dave, clerk):
    run = begun(alice)
    one = step(run, "read")
    later = timezone.localtime() + timedelta(days=3)
    text = later.strftime("%Y-%m-%dT%H:%M")
    assert steered(dave, "step-deadline", run.pk, one.pk, due_at=text).status_code == 302
    assert timezone.localtime(step(run, "read").task.due_at).strftime("%Y-%m-%dT%H:%M") == text
    past = {"deed": "look", "due_at": "2020-01-01T00:00"}
    said = browser(dave).post(reverse("step-deadline", args=[run.pk, one.pk]), past)
    assert (said.status_code, "a deadline is a time to come" in said.content.decode()) == (422, True)


def test_a_run_moves_to_another_version_by_naming_what_is_called_otherwise(workflow, alice, bob, dave, clerk):
    run = begun(alice)
    assert RunVerb.MIGRATE not in services.verbs_of_run(run)
    publish(alice, bob, renamed())
    page = read(dave, "run-migrate", run.pk)
    assert "Read it is under way, and the new version has no read" in page
    assert "What Read it (read) is called there" in page
    assert steered(dave, "run-migrate", run.pk, version="2", **{"node-read": "scan"}).status_code == 302
    run.refresh_from_db()
    assert (run.version.number, step(run, "scan").state) == (2, "running")


def test_a_paused_run_says_so_wherever_it_is_listed(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    steered(dave, "run-pause", run.pk, clocks="stand", reason="the bank is closed")
    for shown in (read(carol, "runs", show="paused"), read(carol, "home")):
        assert run.label in shown
        assert "Paused" in shown
    page = read(carol, "run", run.pk)
    assert "the bank is closed" in page
    assert "Nothing new begins in it" in page
    assert reverse("run-resume", args=[run.pk]) in read(dave, "run", run.pk)
    steered(dave, "run-resume", run.pk)
    assert "No run is paused" in read(carol, "runs", show="paused")


def test_who_may_not_steer_is_offered_nothing_and_refused(workflow, alice, carol, mallory, clerk):
    run = begun(alice)
    one = step(run, "read")
    assert "What you can do" not in read(carol, "run", run.pk)
    for name, keys in (("run-cancel", [run.pk]), ("step-skip", [run.pk, one.pk])):
        assert browser(carol).get(reverse(name, args=keys)).status_code == 403
        assert browser(mallory).get(reverse(name, args=keys)).status_code == 404
    other = begun(alice, key="other")
    address = reverse("step-skip", args=[other.pk, one.pk])
    assert browser(alice).get(address).status_code == 404  # a step of another run


def test_the_admin_leads_to_the_same_pages(workflow, alice, clerk):
    run = begun(alice)
    page = read(alice, "admin:runs_run_change", run.pk)
    for verb in services.verbs_of_run(run):
        button = reverse(f"admin:runs_run_{verb}", args=[run.pk])
        assert button in page
        assert browser(alice).get(button)["Location"] == reverse(f"run-{verb}", args=[run.pk])
    assert reverse("admin:runs_run_resume", args=[run.pk]) not in page
    assert reverse("step-skip", args=[run.pk, step(run, "read").pk]) in page
