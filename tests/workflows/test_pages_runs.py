"""Runs and work for people as the server gives them: who sees what, and what a typed form says."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_runs import begun, claim, complete, letters, publish, step
from workflows.pages.run_list import in_short
from workflows.pages.schema_form import SchemaForm
from workflows.runs import services
from workflows.runs.models import Run, Workflow
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = pytest.mark.usefixtures("hints")
HOSTILE = '<script>alert(1)</script><div hx-get="/live/" hx-trigger="load">x</div>'
MONEY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["minor", "currency"],
    "properties": {"minor": {"type": "integer"}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}},
}
FORM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdict", "note"],
    "properties": {
        "verdict": {"type": "string", "enum": ["pay", "send_back"], "title": "What now"},
        "note": {"type": "string", "format": "free-text", "maxLength": 1000, "minLength": 3},
        "again": {"type": "boolean"},
        "copies": {"type": "integer", "minimum": 1, "maximum": 9},
        "on": {"type": "string", "format": "date"},
        "total": MONEY,
        "short": {"type": "string", "maxLength": 20},
        "who": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": {"type": "string", "maxLength": 40}},
        },
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}},
    },
}


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def read(user: Any, name: str, *args: Any, **query: str) -> str:
    answer = browser(user).get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def steered(user: Any, name: str, *args: Any, reason: str = "it has to be done so", **fields: str) -> Any:
    """Do a verb as a person does: fill in its page, look at what it would change, confirm that."""
    address, client = reverse(name, args=args), browser(user)
    shown = client.post(address, {**fields, "deed": "look"}) if fields else client.get(address)
    effect = shown.context["effect"]
    seen = effect.seen if effect else ""
    return client.post(address, {**fields, "deed": "do", "seen": seen, "reason": reason})


@pytest.fixture
def workflow(clerk, alice, bob) -> Workflow:
    return publish(
        alice, bob, letters(look={"form": FORM, "show": {"Topic": "input.topic"}, "exception": True})
    )


def fail(clerk: Any, task: Task, message: str = "Torn.") -> None:
    from workflows.runs import services

    actor = clerk.user.as_actor()
    tasks.fail_task(actor=actor, task_id=task.pk, epoch=task.epoch, code="torn", message=message, retry=False)
    services.tick()


@pytest.fixture
def work(workflow, alice, clerk) -> Task:
    """What bob has to settle: the agent could not read the letter."""
    run = begun(alice, topic="<script>alert(1)</script>")
    fail(clerk, claim(clerk), HOSTILE)
    return step(run, "look").task


def do(user: Any, task: Task, deed: str, *, epoch: int | None = None, **fields: str) -> Any:
    body = {"deed": deed, "epoch": task.epoch if epoch is None else epoch, **fields}
    return browser(user).post(reverse("inbox-task-do", args=[task.pk]), body)


def test_the_title_that_the_data_of_a_run_gave_an_exception_is_never_translated(alice, bob, clerk):
    look = {"form": FORM, "show": {"Topic": "input.topic"}, "exception": True, "title": "input.topic"}
    publish(alice, bob, letters(look=look))
    topic = "Approved: Pay 3 minutes"
    run = begun(alice, topic=topic)
    fail(clerk, claim(clerk))
    found = step(run, "look").task
    assert (found.kind, found.title) == (Task.Kind.EXCEPTION, topic)
    client = browser(bob)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    page = client.get(reverse("inbox")).content.decode()
    assert topic in page
    assert "Genehmigt: " not in page


ANSWER = {"answer-verdict": "pay", "answer-note": "We called them"}


def test_a_run_shows_its_steps_who_has_them_and_what_came_of_them(workflow, alice, carol, clerk):
    hold_above(10_000)
    run = begun(alice)
    assert "Offered to Bookkeeper" in read(carol, "run", run.pk)
    task = claim(clerk)
    tasks.heartbeat_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, progress=HOSTILE)
    assert "It says: &lt;script&gt;" in read(carol, "run", run.pk)
    complete(clerk, task, kind="order")
    page = read(carol, "run", run.pk)
    for words in (
        "Read it",
        "Enter it",
        "Robo",
        "Kind order",
        "Held for people",
        "Open the question to people",
    ):
        assert words in page
    assert "What you can do" not in page


def test_a_run_that_stopped_says_why_and_goes_on_with_a_reason(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    page = read(dave, "run", run.pk)
    assert "does not have “pages”" in page
    home = read(dave, "home")
    assert reverse("run", args=[run.pk]) in home
    assert reverse("run-retry", args=[run.pk]) in page
    assert reverse("run-retry", args=[run.pk]) not in read(carol, "run", run.pk)
    assert steered(dave, "run-retry", run.pk).status_code == 302
    run.refresh_from_db()
    assert run.state == "running"
    assert browser(dave).get(reverse("run-retry", args=[run.pk])).status_code == 200
    assert steered(dave, "run-cancel", run.pk, reason="a joke after all").status_code == 302
    page = read(dave, "run", run.pk, tab="decisions")
    assert "a joke after all" in page
    assert "data-refresh" not in page
    assert "What you can do" not in page


def test_runs_that_are_not_yours_do_not_exist(workflow, alice, bob, mallory, clerk):
    run = begun(alice)
    for user in (bob, mallory):
        assert browser(user).get(reverse("run", args=[run.pk])).status_code == 404
        assert browser(user).get(reverse("run-parts", args=[run.pk])).status_code == 404
        assert run.label not in read(user, "runs", show="all")
    assert browser(clerk.user).get(reverse("run", args=[run.pk])).status_code == 403


def test_the_list_narrows_by_state_and_workflow(workflow, alice, carol, clerk):
    begun(alice, key="one")
    gone = begun(alice, key="two")
    Run.objects.filter(pk=gone.pk).update(label="The other letter")
    complete(clerk, claim(clerk), kind="chat", pages=1)
    ended = Run.objects.get(state="done")
    shown = read(carol, "runs", show="ended", workflow="letters")
    assert str(ended.pk) in shown
    assert shown.count("<tr>") == 2
    assert "Outcome: answered" in shown
    assert "No run waits for an operator" in read(carol, "runs", show="incident")


def test_an_answer_is_said_to_be_of_whoever_gave_it(workflow, alice, dave, carol, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    assert "The agent answered: Kind chat" in read(carol, "run", run.pk)
    services.steer_run(
        actor=dave.as_actor(),
        run=run,
        verb=services.Override({"kind": "chat", "pages": 2}),
        step=step(run, "read"),
        reason="I counted the pages",
    )
    page = read(carol, "run", run.pk)
    assert "Dave gave this answer: Kind chat, Pages 2" in page
    assert "Robo had answered: Kind chat" in page
    assert "In the agent" not in page
    # What was the matter is still on record.
    assert "waits for an operator at" in read(carol, "run", run.pk, tab="log")


def test_work_for_one_person_is_said_to_be_offered_to_them(workflow, alice, bob, dave, carol, clerk):
    run = begun(alice)
    where = services.Redirect(bob)
    services.steer_run(
        actor=dave.as_actor(), run=run, verb=where, step=step(run, "read"), reason="Bob knows it"
    )
    assert "Offered to Bob" in read(carol, "run", run.pk)


@pytest.mark.parametrize(
    ("words", "shown"),
    [([], ""), (["Read it"], "Read it"), (["A", "B"], "A, B"), (["A", "B", "C"], "A and 2 more")],
)
def test_what_is_open_is_named_in_one_line(words, shown):
    assert in_short(words) == shown


def test_the_list_says_that_people_decide_on_what_an_agent_asked_for(workflow, alice, carol, clerk):
    hold_above(1_000)
    begun(alice)
    task = claim(clerk)
    action = ask(clerk, task_id=str(task.pk), task_epoch=task.epoch)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=action.as_ref())
    assert "people decide on what the agent asked for" in read(carol, "runs").lower()


def test_hostile_words_stay_words_on_every_page(work, bob, carol):
    run = step(Run.objects.get(), "look").run
    for user, name, key in ((carol, "run", run.pk), (bob, "inbox-task", work.pk), (carol, "run-parts", run.pk)):
        page = read(user, name, key)
        assert "<script>alert" not in page
        assert '<div hx-get="/live/"' not in page
        assert "&lt;script&gt;alert(1)" in page


def test_a_question_about_an_action_of_a_run_leads_to_the_run(workflow, alice, bob, carol, clerk):
    hold_above(1_000)
    run = begun(alice)
    task = claim(clerk)
    held = ask(clerk, number="RE-7", minor=2_000_000, task_id=str(task.pk), task_epoch=task.epoch)
    page = read(carol, "inbox-approval", held.approval_id)
    assert f'for the run <a class="portal-link" href="{reverse("run", args=[run.pk])}">' in page


def test_work_for_people_is_in_the_one_inbox_and_counted(work, bob, mallory, clerk):
    hold_above(1_000)
    held = ask(clerk, number="RE-7", minor=2_000_000)
    page = read(bob, "inbox")
    assert str(work.pk) in page
    assert str(held.approval_id) in page
    assert "Exception" in page
    before = browser(bob).get(reverse("live")).json()
    assert before["counts"]["inbox"] == 2
    tasks.claim_task(actor=bob.as_actor(), task_id=work.pk)
    after = browser(bob).get(reverse("live")).json()
    assert before["inbox"] != after["inbox"]
    assert "you have it" in read(bob, "inbox")
    assert browser(mallory).get(reverse("inbox-task", args=[work.pk])).status_code == 404


def test_a_person_answers_with_a_typed_form(work, bob):
    page = read(bob, "inbox-task", work.pk)
    for words in (
        'type="radio"',
        'type="date"',
        'type="number"',
        "What now",
        "required",
        "Nobody has checked it",
    ):
        assert words in page
    assert reverse("run", args=[Run.objects.get().pk]) in page
    given = {
        **ANSWER,
        "answer-again": "no",
        "answer-copies": "2",
        "answer-on": "2026-02-03",
        "answer-total_0": "1,250.50",
        "answer-total_1": "eur",
        "answer-who.name": "Ann",
        "answer-tags": "a\r\n\r\nb",
        "reason": "as the supplier says",
    }
    assert do(bob, work, "complete", **given).status_code == 302
    work.refresh_from_db()
    assert work.answer == {
        "verdict": "pay",
        "note": "We called them",
        "again": False,
        "copies": 2,
        "on": "2026-02-03",
        "total": {"minor": 125050, "currency": "EUR"},
        "who": {"name": "Ann"},
        "tags": ["a", "b"],
    }
    assert (work.state, work.close_reason) == ("done", "as the supplier says")
    page = read(bob, "inbox-task", work.pk)
    assert "1,250.50 EUR" in page
    assert "Already done by" in page
    assert do(bob, work, "complete", **ANSWER).status_code == 409


def test_errors_stand_at_the_field_and_nothing_typed_is_lost(work, bob):
    given = {"answer-note": "ab", "answer-copies": "12", "answer-total_0": "1.234", "answer-total_1": "EUR"}
    answer = do(bob, work, "complete", reason="Looks right", **given)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.count("data-wrong") == 4
    for words in ("This field is required", "less than or equal to 9", "not an amount in EUR", "Looks right"):
        assert words in page
    work.refresh_from_db()
    assert work.state == "open"


def test_work_is_taken_and_given_back(work, bob, dave):
    dave.groups.set(bob.groups.all())
    assert do(bob, work, "claim").status_code == 302
    work.refresh_from_db()
    assert work.claimed_by == bob
    assert do(dave, work, "claim").status_code == 409
    assert "Bob has it" in read(dave, "inbox-task", work.pk)
    assert do(dave, work, "complete", **ANSWER).status_code == 409
    assert do(bob, work, "release", reason="on holiday").status_code == 302
    work.refresh_from_db()
    assert (work.state, work.claimed_by) == ("open", None)
    assert do(bob, work, "complete", epoch=0, **ANSWER).status_code == 409
    assert do(bob, work, "dance").status_code == 422


def test_who_may_see_work_and_not_do_it_is_told_so(work, carol, alice):
    assert "Only those it is offered to may do it" in read(carol, "inbox-task", work.pk)
    assert do(carol, work, "claim").status_code == 403
    assert do(alice, work, "complete", **ANSWER).status_code == 403


def test_work_needs_the_token_of_the_form(work, bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    assert client.post(reverse("inbox-task-do", args=[work.pk]), {"deed": "claim"}).status_code == 403


@pytest.mark.parametrize(
    ("name", "kind"),
    [("verdict", "RadioSelect"), ("note", "Textarea"), ("short", "Textarea"), ("total", "MoneyWidget")],
)
def test_the_schema_says_which_field_it_is(name, kind):
    form = SchemaForm({**FORM, "properties": {**FORM["properties"], "short": {"type": "string"}}})
    assert type(form.fields[name].widget).__name__ == kind


def test_what_only_json_can_say_is_written_as_json():
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"rows": {"type": "array", "items": {"type": "object", "additionalProperties": False}}},
    }
    assert not SchemaForm(schema, {"rows": "[{"}).is_valid()
    form = SchemaForm(schema, {"rows": "[{}]"})
    assert form.is_valid()
    assert form.answer == {"rows": [{}]}
    wrong = SchemaForm(schema, {"rows": '["x"]'})
    assert list(wrong.errors) == ["rows"]


@pytest.mark.parametrize("many", [1, 6])
def test_the_pages_cost_the_same_for_few_and_for_many(
    many, workflow, alice, carol, clerk, django_assert_max_num_queries
):
    for number in range(many):
        run = begun(alice, key=f"letter-{number}")
    for _turn in range(many):
        fail(clerk, claim(clerk))
    client = browser(carol)
    for address in (
        reverse("runs"),
        reverse("run", args=[run.pk]),
        f"{reverse('inbox')}?show=others",
        reverse("home"),
    ):
        client.get(address)
        # Home is of several parts, each for another kind of work.
        with django_assert_max_num_queries(85 if address == reverse("home") else 60):
            client.get(address)


def test_home_says_what_waits_what_is_wrong_and_what_runs(work, bob, dave, alice, clerk, workflow):
    assert "1 request waits for you" in read(bob, "home")
    assert reverse("inbox-task", args=[work.pk]) in read(bob, "home")
    going = begun(alice, key="another")
    task = claim(clerk)
    Task.objects.filter(pk=task.pk).update(due_at="2026-01-01T00:00:00Z")
    page = read(dave, "home")
    for words in ("What runs now", "Overdue: Read it", "Robo works", reverse("run", args=[going.pk])):
        assert words in page


def test_home_of_somebody_without_rights_says_the_next_step(mallory):
    page = read(mallory, "home")
    assert "Nothing runs now that you may see" in page
    assert "You have no rights here yet" in page
    assert "There is no agent that you may see" in read(mallory, "console")
    assert "There is no workflow that you may start" in read(mallory, "startable")
    assert "No run yet that you may see" in read(mallory, "runs")


def test_a_run_is_started_by_hand_once(workflow, alice, bob):
    address = reverse("workflow-start", args=[workflow.pk])
    assert workflow.name in read(alice, "startable")
    assert browser(bob).get(address).status_code == 404
    page = read(alice, "workflow-start", workflow.pk)
    assert 'name="input-topic"' in page
    given = {"key": "by-hand", "input-topic": "bolts"}
    first = browser(alice).post(address, given)
    assert first["Location"] == reverse("run", args=[Run.objects.get().pk])
    assert browser(alice).post(address, given)["Location"] == first["Location"]
    other = browser(alice).post(address, {**given, "input-topic": "nuts"})
    assert other.status_code == 409
    assert "began with other input" in other.content.decode()
    assert browser(alice).post(address, {**given, "input-topic": "x" * 60}).status_code == 422


def test_a_run_is_started_with_a_document(clerk, alice, bob, settings, tmp_path):
    from django.core.files.uploadedfile import SimpleUploadedFile

    settings.DATA_DIR = tmp_path
    document = {"type": "string", "format": "document"}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["topic"],
        "properties": {"topic": document},
    }
    workflow = publish(alice, bob, {**letters(), "input": schema})
    address = reverse("workflow-start", args=[workflow.pk])
    assert 'type="file"' in read(alice, "workflow-start", workflow.pk)
    assert browser(alice).post(address, {"key": "k"}).status_code == 422
    for _turn in range(2):
        file = SimpleUploadedFile("<b>letter.txt", b"Dear all", content_type="text/plain")
        assert browser(alice).post(address, {"key": "k", "input-topic": file}).status_code == 302
    run = Run.objects.get()
    assert run.label == "Answer letters <b>letter.txt"
    assert "&lt;b&gt;letter.txt" in read(alice, "run", run.pk)
    page = read(alice, "run", run.pk, tab="artefacts")
    assert "&lt;b&gt;letter.txt" in page
    assert "Download" in page
    assert str(run.run_documents.get().document_id) in page


def test_the_companys_currency_waits_for_an_amount(clerk):
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["total"],
        "properties": {"total": MONEY, "more": MONEY},
    }
    assert str(SchemaForm(schema)).count('value="EUR"') == 2
    left = {"total_1": "EUR", "more_0": "", "more_1": "EUR"}
    given = SchemaForm(schema, {"total_0": "12.50", **left})
    assert given.is_valid()
    assert given.answer == {"total": {"minor": 1250, "currency": "EUR"}}
    assert "total" in SchemaForm(schema, {"total_0": "", **left}).errors
