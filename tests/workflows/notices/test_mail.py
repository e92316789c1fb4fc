"""Mail about what waits: to those who may act, once, and of nothing that was decided meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from agents.models import Agent
from audit.models import Event
from audit.vocabulary import Ref, Refusal
from tests.company import person
from tests.workflows.conftest import TESTS, _would_ring, ask, hold_above
from tests.workflows.notices.post_office import html_of, text_of
from workflows.actions.models import Action
from workflows.actions.services import sweep_due
from workflows.approvals.models import Delegation
from workflows.approvals.selectors.delegations import company_day
from workflows.approvals.services import cast_vote
from workflows.notices import dispatch, services
from workflows.notices.models import Line, Mail, Notice
from workflows.notices.policies.times import WAITS
from workflows.notices.services import mailing
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import claim_task, open_task, remind_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


@pytest.fixture
def held(office: Any, clerk: Agent, bob: Any) -> Action:
    """An action of robo that waits for the approvers."""
    hold_above(100_000)
    return ask(clerk, minor=150_000, reason="see http://evil.example")


def pass_minutes(minutes: int) -> None:
    """Let everything in the outbox have happened so much earlier."""
    earlier = timedelta(minutes=minutes)
    Mail.objects.update(created_at=F("created_at") - earlier, next_at=F("next_at") - earlier)
    Line.objects.update(due_at=F("due_at") - earlier)


def test_who_may_decide_is_told_of_what_waits_and_nobody_else(office, held, alice, bob):
    services.tell()
    (mail,) = office.mails
    assert office.recipients == ["bob@northwind.example"]
    assert mail["Subject"] == f"Approval: {held.label}, 1,500.00 EUR (Robo)"
    assert mail["From"] == "Portal <portal@northwind.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = text_of(mail), html_of(mail)
    assert "Asked by: Robo\nIts sponsor: Alice" in text
    assert f"What for: {held.operation.name}" in text
    assert f"System: {held.operation.system.name}" in text
    assert "Amount: 1,500.00 EUR" in text
    assert "How grave: Medium risk: it moves money" in text
    assert "it is refused and nothing is done" in text
    for part in (text, html):
        assert f"http://127.0.0.1:8000/inbox/{held.approval_id}/" in part
        assert "evil" not in part, "what an agent says about its request does not leave"
    assert mail["Message-ID"] == f"<{Mail.objects.get().pk}@127.0.0.1>"
    assert not _would_ring(dispatch.TELL), "nothing is left to do"


def test_the_link_shows_and_decides_nothing(client, office, held, bob):
    services.tell()
    client.force_login(bob)
    assert client.get(reverse("inbox-approval", args=[held.approval_id])).status_code == 200
    held.refresh_from_db()
    assert held.state == "held"


def test_what_was_decided_meanwhile_is_not_told(office, held, bob):
    services.spread_notices()
    cast_vote(
        actor=bob.as_actor(),
        approval_id=held.approval_id,
        verdict="reject",
        reason="not this one",
        digest=held.approval.digest,
    )
    services.tell()
    assert office.mails == []
    assert Mail.objects.get().state == "dropped"


def test_who_is_excluded_by_four_eyes_or_gone_is_not_told(office, clerk, bob):
    eve, gone = person("eve", "Approvers"), person("gone", "Approvers")
    gone.is_active = False
    gone.save(update_fields=["is_active"])
    hold_above(100_000)
    ask(clerk, minor=150_000, on_behalf_of=str(eve.pk))
    services.tell()
    assert office.recipients == ["bob@northwind.example"]


def test_what_a_rule_hides_does_not_leave(office, clerk, bob):
    hold_above(100_000, redact=["args.number"])
    action = ask(clerk, minor=150_000, number="RE-SECRET")
    services.tell()
    said = office.mails[0]["Subject"] + text_of(office.mails[0]) + html_of(office.mails[0])
    assert "RE-SECRET" not in said
    assert "1,500" not in said
    assert f"Approval: {action.operation.name} (details are hidden)" in said


@pytest.mark.parametrize("about", ["action", "appeal"])
def test_what_a_rule_hides_does_not_leave_with_trouble_about_it_either(office, clerk, bob, about):
    hold_above(100_000, redact=["args.number"])
    action = ask(clerk, minor=150_000, number="RE-SECRET")
    Notice.objects.all().delete()
    subject = action.as_ref() if about == "action" else Ref("appeals.appeal", "1", "An appeal")
    references = {"action_id": str(action.pk), "agent_id": str(clerk.pk)}
    title = f"Robo contests: {action.label} RE-SECRET"
    open_task(actor=TESTS, kind="exception", title=title, subject=subject, users=[bob], references=references)
    services.tell()
    (mail,) = office.mails
    said = mail["Subject"] + text_of(mail) + html_of(mail)
    assert mail["Subject"] == f"Exception: {action.operation.name} (details are hidden)"
    assert "RE-SECRET" not in said
    assert "1,500" not in said
    assert "Agent: Robo\nIts sponsor: Alice" in text_of(mail)


def test_a_question_says_which_agent_asks_and_that_it_is_closed_when_nobody_answers(office, clerk, bob):
    holding = open_task(actor=TESTS, kind="human_work", title="Read it", subject=clerk.as_ref())
    Task.objects.filter(pk=holding.pk).update(state="claimed", claimed_by=clerk.user)
    open_task(
        actor=clerk.user.as_actor(),
        kind="question",
        title="A question of Robo",
        subject=Ref("tasks.task", str(holding.pk), "Asked by Robo"),
        users=[bob],
        work={"question": "see http://evil.example", "asked_by": "Robo"},
        due_at=database_now() + timedelta(hours=1),
        asked_for=Task.objects.get(pk=holding.pk),
    )
    services.tell()
    (mail,) = [mail for mail in office.mails if mail["To"].startswith("bob")]
    assert mail["Subject"] == "Question: A question of Robo"
    text = text_of(mail)
    assert "Asked by: Robo\nIts sponsor: Alice" in text
    assert "the question is closed without an answer" in text
    assert "evil" not in text + html_of(mail)


def test_what_comes_within_five_minutes_is_one_mail(office, held, clerk, bob):
    services.tell()
    for number in ("RE-2", "RE-3"):
        ask(clerk, minor=150_000, number=number)
    services.tell()
    assert len(office.mails) == 1
    assert not _would_ring(dispatch.TELL)
    pass_minutes(5)
    assert _would_ring(dispatch.TELL)
    services.tell()
    services.tell()
    assert [mail["Subject"] for mail in office.mails[1:]] == ["2 things wait for you"]
    assert text_of(office.mails[1]).count("Robo asks for a decision.") == 2


def test_of_very_many_things_the_first_are_told_and_the_rest_is_counted(office, clerk, bob, monkeypatch):
    monkeypatch.setattr(mailing, "MOST_SHOWN", 2)
    hold_above(100_000)
    for number in ("RE-1", "RE-2", "RE-3"):
        ask(clerk, minor=150_000, number=number)
    services.tell()
    (mail,) = office.mails
    assert mail["Subject"] == "3 things wait for you"
    assert "And 1 more in the inbox." in text_of(mail)
    assert "RE-3" not in text_of(mail) + html_of(mail)


def test_a_mail_that_fails_is_tried_again_under_the_same_id_and_then_given_up(
    client, office, held, dave, settings
):
    settings.EMAIL_PORT = 1
    services.tell()
    mail = Mail.objects.get()
    assert (mail.state, mail.attempts) == ("waiting", 1)
    assert "refused" in mail.problem
    services.tell()
    assert Mail.objects.get().attempts == 1, "not before its pause is over"
    for _ in WAITS:
        pass_minutes(24 * 60)
        services.tell()
    mail = Mail.objects.get()
    assert (mail.state, mail.attempts) == ("given_up", len(WAITS) + 1)
    assert Event.objects.get(verb="notices.given_up").subject_id == str(mail.pk)
    client.force_login(dave)
    assert "1 did not arrive" in client.get(reverse("notifications")).content.decode()
    settings.EMAIL_PORT = office.port
    services.try_again(actor=dave.as_actor(), outgoing=mail, reason="the server is back")
    services.tell()
    assert office.mails[0]["Message-ID"] == f"<{mail.pk}@127.0.0.1>"
    with pytest.raises(Refusal, match="Nothing was tried again"):
        services.try_again(actor=dave.as_actor(), outgoing=mail, reason="once more")


def test_an_address_that_does_not_exist_is_given_up_at_once(office, held):
    office.answers = ["550 no such person"]
    services.tell()
    assert Mail.objects.get().state == "given_up"


def test_an_address_with_a_line_break_adds_no_header(office, held, bob):
    type(bob).objects.filter(pk=bob.pk).update(email="bob@northwind.example\nBcc: eve@evil.example")
    services.tell()
    assert office.mails == []
    assert Mail.objects.get().state == "given_up"


def test_a_person_chooses_when(client, office, held, bob):
    client.force_login(bob)
    page = reverse("notifications")
    assert "bob@northwind.example" in client.get(page).content.decode()
    assert client.post(page, {"how": "sometimes"}).status_code == 422
    assert client.post(page, {"how": "daily"}).status_code == 302
    services.tell()
    assert office.mails == []
    assert Line.objects.get().due_at > Notice.objects.get().at
    pass_minutes(24 * 60)
    services.tell()
    assert len(office.mails) == 1


def test_who_wants_no_mail_gets_none_also_of_what_waits_to_be_sent(office, held, bob):
    services.choose_how(actor=bob.as_actor(), how="daily")
    services.spread_notices()
    services.choose_how(actor=bob.as_actor(), how="never")
    pass_minutes(48 * 60)
    services.tell()
    assert office.mails == []


def test_an_agent_chooses_nothing(clerk):
    with pytest.raises(Refusal):
        services.choose_how(actor=clerk.user.as_actor(), how="never")


def test_a_reminder_is_told_and_says_that_it_is_one(office, held, bob, alice):
    services.tell()
    pass_minutes(5)
    remind_task(actor=alice.as_actor(), task_id=held.approval.task_id, deadline="complete")
    services.tell()
    first, second = office.mails
    assert second["Subject"] == f"Reminder: Approval: {held.label}, 1,500.00 EUR (Robo)"
    assert "Robo still waits for a decision." in text_of(second)
    assert first["References"] is None
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]


def test_a_mail_is_in_the_language_and_the_time_zone_of_its_person(office, held, bob):
    type(bob).objects.filter(pk=bob.pk).update(language="de", time_zone="America/New_York")
    services.tell()
    (mail,) = office.mails
    assert mail["Subject"] == f"Genehmigung: {held.label}, 1.500,00 EUR (Robo)"
    until = held.approval.expires_at.astimezone(ZoneInfo("America/New_York"))
    text = text_of(mail)
    assert "Robo bittet um eine Entscheidung." in text
    assert f"{until:%H:%M (%Z)}" in text
    assert '<html lang="de">' in html_of(mail)
    assert Mail.objects.get().problem == "", "what is recorded stays as it is"


def test_whom_it_goes_on_to_is_said_and_then_that_it_did(office, clerk, bob, settings):
    person("charlie", "Chiefs")
    settings.APPROVAL_SECONDS = 100_000
    settings.APPROVAL_ESCALATE_SECONDS, settings.APPROVAL_ESCALATE_GROUP = 2, "Chiefs"
    hold_above(100_000)
    ask(clerk, minor=150_000)
    services.tell()
    assert "Chiefs may decide it, too." in text_of(office.mails[0])
    time.sleep(2.1)
    assert sweep_due()["approvals_escalated"] == 1
    services.tell()
    (told,) = [mail for mail in office.mails[1:] if mail["To"].startswith("charlie")]
    assert "Nobody has decided in time: Chiefs may decide it now, too." in text_of(told)


def test_of_work_that_somebody_took_only_they_are_told(office, clerk, bob, dave):
    groups = Group.objects.filter(name__in=["Approvers", "Operators"])
    task = open_task(actor=TESTS, kind="human_work", title="Settle\nit", subject=clerk.as_ref(), groups=groups)
    claim_task(actor=dave.as_actor(), task_id=task.pk)
    services.tell()
    assert office.recipients == ["dave@northwind.example"]
    assert office.mails[0]["Subject"] == "Work for a person: Settle it"
    assert f"/inbox/work/{task.pk}/" in text_of(office.mails[0])
    assert "It waits until somebody does it." in text_of(office.mails[0])


def test_no_decision_no_notice(office, clerk, bob):
    hold_above(100_000)
    with transaction.atomic():
        ask(clerk, minor=150_000)
        assert Notice.objects.count() == 1
        transaction.set_rollback(True)
    assert (Task.objects.count(), Notice.objects.count()) == (0, 0)


def test_without_a_mail_server_nothing_is_kept_and_the_page_says_so(client, clerk, bob):
    hold_above(100_000)
    ask(clerk, minor=150_000)
    assert Notice.objects.count() == 0
    client.force_login(bob)
    assert "No mail is sent" in client.get(reverse("notifications")).content.decode()


def test_who_decides_for_somebody_who_is_away_is_told_too(office, clerk, bob, carol):
    day = company_day()
    Delegation.objects.create(giver=bob, given_by=bob, delegate=carol, first_day=day, last_day=day)
    hold_above(100_000)
    ask(clerk, minor=150_000)
    services.tell()
    assert sorted(office.recipients) == ["bob@northwind.example", "carol@northwind.example"]
