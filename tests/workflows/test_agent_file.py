"""The files of an agent, a role and a system: what they say, to whom, at a cost that does not grow."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, ChangeRequest
from agents.services import lifecycle
from connectors.models import Call
from tests.workflows.conftest import ask, hold_above, limit, new_agent
from workflows.approvals.services import cast_vote
from workflows.pages.agent_head import initials
from workflows.pages.charts import chart_of
from workflows.staffing.selectors import health, health_of, in_hand_of

pytestmark = pytest.mark.django_db
WHY = "The tests ask for it"
HOSTILE = "<img src=x onerror=alert(1)>"


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content[:500]
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", plain)


def page(user: Any, name: str, key: Any, query: str = "") -> str:
    return text_of(browser(user).get(reverse(name, args=[key]) + query))


def queries(user: Any, address: str) -> int:
    client = browser(user)
    client.get(address)  # what is kept for the version of authority is read once
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code == 200
    return len(found)


def test_the_file_says_who_it_is_and_what_it_may_do(clerk: Agent, alice: Any) -> None:
    hold_above(1_000_000)
    limit("a_day", 20, name="Invoices a day")
    ask(clerk, minor=100)
    ask(clerk, number="RE-2", minor=2_000_000, reason=HOSTILE)
    answer = browser(alice).get(reverse("agent-file", args=[clerk.pk]))
    found = text_of(answer)
    for words in (
        "Robo Bookkeeper, Finance",
        "Posts invoices.",
        "Alice",
        "Asks in some cases",
        "Invoices above 10,000.00 EUR need a person",
        "at most 20 per day",
        "Approvers",
        "too few to say",
        "Nobody has signed it yet.",
    ):
        assert words in found, words
    # Whether what is held counts already is for the counter to say.
    assert re.search(r"([12]) used, (18|19) left", found)
    assert HOSTILE not in answer.content.decode()


def test_the_file_costs_the_same_whatever_was_done(clerk: Agent, alice: Any) -> None:
    hold_above(1_000)
    ask(clerk, number="RE-0", minor=2_000)
    address = reverse("agent-file", args=[clerk.pk])
    few = queries(alice, address)
    for number in range(1, 9):
        ask(clerk, number=f"RE-{number}", minor=2_000)
        new_agent(alice, code=f"other-{number}")
    assert queries(alice, address) == few


def test_health_counts_what_people_did_with_what_it_asked_for(clerk: Agent, bob: Any, monkeypatch: Any) -> None:
    hold_above(1_000)
    ask(clerk, number="RE-0", minor=100)
    held = ask(clerk, number="RE-1", minor=2_000)
    cast_vote(
        approval_id=held.approval_id,
        actor=bob.as_actor(),
        verdict="reject",
        reason=WHY,
        digest=held.approval.digest,
    )
    found = health_of(clerk)
    assert (found.asked, found.rejected, found.stepped_in, found.open) == (2, 1, 1, 1)
    assert found.is_thin
    assert found.success_share is None
    assert sum(day.asked for day in found.days) == 2
    assert sum(day.stepped_in for day in found.days) == 1
    assert in_hand_of([clerk.pk])[clerk.pk].working == 1
    monkeypatch.setattr(health, "MOST_COUNTED", 1)
    cut = health_of(clerk)
    assert (cut.asked, cut.is_cut) == (1, True)


def test_verbs_are_done_from_one_place_with_a_reason(clerk: Agent, alice: Any, mallory: Any) -> None:
    client = browser(alice)
    life = reverse("agent-life", args=[clerk.pk])
    assert "Every further call is refused at once" in text_of(client.get(life))
    refused = client.post(reverse("agent-live-pause", args=[clerk.pk]), {"reason": ""})
    assert refused.status_code == 422
    assert b'id="verb-pause" open' in refused.content
    done = client.post(reverse("agent-live-pause", args=[clerk.pk]), {"reason": WHY})
    assert done["Location"] == life
    clerk.refresh_from_db()
    assert clerk.brake == "paused"
    assert "Let it go on" in text_of(client.get(life))
    client.post(reverse("agent-live-resume", args=[clerk.pk]), {"reason": WHY})
    less = client.post(
        reverse("agent-live-autonomy", args=[clerk.pk]), {"reason": WHY, "autonomy": "hold_writes"}
    )
    assert less.status_code == 302
    more = client.post(
        reverse("agent-live-autonomy", args=[clerk.pk]), {"reason": WHY, "autonomy": "by_contract"}, follow=True
    )
    assert "It waits for a second person" in text_of(more)
    assert "Read the change" in page(alice, "agent-file", clerk.pk)
    clerk.refresh_from_db()
    assert (clerk.brake, clerk.autonomy) == ("none", "hold_writes")
    nothing = client.post(reverse("agent-live-autonomy", args=[clerk.pk]), {"reason": WHY, "autonomy": "wild"})
    assert nothing.status_code == 422
    assert browser(mallory).get(reverse("agent-file", args=[clerk.pk])).status_code == 404


def test_history_merges_the_agent_with_what_binds_it(clerk: Agent, alice: Any) -> None:
    hold_above(1_000_000)
    limit("a_day", 20, name="Invoices a day")
    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="Looks odd to me")
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="It was nothing")
    ask(clerk, minor=100)
    found = page(alice, "agent-history", clerk.pk)
    for words in ("Looks odd to me", "It was nothing", "Invoices a day"):
        assert words in found, words
    assert "RE-1" not in found
    assert "RE-1" in page(alice, "agent-history", clerk.pk, "?show=all")
    assert "Looks odd to me" in page(alice, "agent-history", clerk.pk, "?before=nonsense&after=x")


def test_a_draft_waits_for_its_second_person_at_the_head_of_its_file(
    clerk: Agent, alice: Any, bob: Any
) -> None:
    clerk.lifecycle = Agent.Lifecycle.DRAFT
    clerk.save(update_fields=["lifecycle"])
    browser(alice).post(reverse("agent-live-activate", args=[clerk.pk]), {"reason": WHY})
    assert "Waits for a second person" in page(alice, "agent-file", clerk.pk)
    assert ChangeRequest.objects.filter(target_id=str(clerk.pk), state="pending").exists()
    assert "Let it start work" not in page(alice, "agent-life", clerk.pk)


def test_the_role_says_who_has_it_and_goes_on_page_by_page(clerk: Agent, alice: Any) -> None:
    role = clerk.role
    role.responsibilities = f"Posts on time\n- Asks when in doubt\n{HOSTILE}"
    role.save()
    for number in range(30):
        new_agent(alice, code=f"clerk-{number:02}")
    answer = browser(alice).get(reverse("role-file", args=[role.pk]))
    assert HOSTILE not in answer.content.decode()
    found = text_of(answer)
    for words in ("Bookkeeper", "Asks when in doubt", "31 agents", "Probation: 30 days", "Clerk-00"):
        assert words in found, words
    onward = re.search(r'href="\?(after=[^"]+)#holders"', answer.content.decode())
    assert onward
    later = page(alice, "role-file", role.pk, "?" + onward[1].replace("&amp;", "&"))
    assert "Clerk-00" not in later
    assert "Robo" in later


def test_the_system_says_how_it_does_and_never_its_secret(
    clerk: Agent, book: Any, alice: Any, mallory: Any
) -> None:
    system = book["system"]
    failed = {"outcome": Call.Outcome.FAILED, "finished_at": timezone.now(), "error_message": HOSTILE}
    Call.objects.create(
        purpose="test", system=system, actor_kind="person", actor_id="x", actor_label="x", **failed
    )
    answer = browser(alice).get(reverse("system-file", args=[system.pk]))
    assert HOSTILE not in answer.content.decode()
    found = text_of(answer)
    for words in (system.name, "fake.invoice.post", "1 agent", "at most", "Robo", "its secret is 0 days old"):
        assert words in found, words
    assert browser(mallory).get(reverse("system-file", args=[system.pk])).status_code == 404


def test_lists_are_downloaded_as_shown_and_cost_the_same(clerk: Agent, alice: Any, book: Any) -> None:
    address = reverse("admin:agents_agent_changelist")
    ask(clerk, minor=100)
    few = queries(alice, address)
    for number in range(6):
        made = new_agent(alice, code=f"more-{number}")
        Agent.objects.filter(pk=made.pk).update(name=f"=more-{number}")
    assert queries(alice, address) <= few
    shown = text_of(browser(alice).get(address))
    assert "Works on 1" in shown
    answer = browser(alice).get(reverse("admin:agents_agent_csv") + "?q=more")
    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert lines[0][:2] == ["Name", "Code"]
    assert len(lines) == 7
    assert all(line[0].startswith("'=more") for line in lines[1:])
    for name in ("admin:agents_role_csv", "admin:connectors_system_csv"):
        assert b"Name,Code" in b"".join(browser(alice).get(reverse(name)).streaming_content)
    assert "Answers" in text_of(browser(alice).get(reverse("admin:connectors_system_changelist"))) or (
        "Not called yet" in text_of(browser(alice).get(reverse("admin:connectors_system_changelist")))
    )


def test_a_picture_is_made_of_the_name_and_bars_of_whole_numbers() -> None:
    assert (initials("Invoice clerk 1"), initials("robo"), initials("7 of 9"), initials("9")) == (
        "IC",
        "R",
        "O",
        "9",
    )
    found = chart_of([0, 5, 10], [0, 5, 1])
    assert [(bar.height, bar.other) for bar in found.bars] == [(0, 0), (20, 20), (40, 4)]
    assert chart_of([]).bars == []
