"""The day of a leader: what the agents of a department do for it, from top to bottom, and nothing to press."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent, Department, Rule, User
from audit.models import Event
from tests.browser.conftest import check_page, sign_in
from tests.browser.test_authority import shot
from tests.company import person
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_runs import begun, claim, complete, letters, publish
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_action, run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.models import Run

pytestmark = [pytest.mark.browser, pytest.mark.full]
HOSTILE = '<img src=x onerror=alert(1)> <b hx-get="/live/">x</b>'
WHY = "It is what the order says"
# What everybody may do with what is their own: language, news read, words searched, leaving.
OWN = ("/bell/", "/settings/", "/admin/logout/", "/i18n/", "/search/")
# Forms of the page and its dialogs; what is read with a form (a filter) goes by GET.
CHANGES = "all => all.map(form => new URL(form.action).pathname)"


@pytest.fixture
def leader(live_db: Any) -> Any:
    """Lena heads Finance, Bob reports to her; she sees everything there is to see and may change nothing."""
    return person("lena", "Auditors")


@pytest.fixture
def run(leader: Any, alice: Any, bob: Any, clerk: Agent, fake: Any) -> Run:
    """A run that went through (held, approved by Bob, posted), a request refused and one that waits."""
    Department.objects.filter(pk=clerk.department_id).update(manager=leader)
    User.objects.filter(pk=bob.pk).update(manager=leader)
    hold_above(10_000, note=HOSTILE)
    publish(alice, bob, letters())
    found = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    question = Approval.objects.get(state="pending")
    said = {"verdict": "approve", "reason": WHY, "digest": question.digest}
    cast_vote(actor=bob.as_actor(), approval_id=question.pk, **said)
    run_action(action_id=Action.objects.get().pk)
    services.tick()
    not_granted = Ask(operation="fake.invoice.find", arguments={"number": "RE-1"})
    request_action(actor=clerk.user.as_actor(), agent=clerk, key="not-granted", ask=not_granted)
    ask(clerk, number="RE-2", minor=2_000_000, reason=HOSTILE)
    assert fake.count() == 1
    return found


def read(page: Page, name: str) -> None:
    """Look at a page: no barrier, nobody else's markup, and no form that changes anything."""
    check_page(page)
    shot(page, f"leader-{name}")
    assert page.locator("img[src=x], b[hx-get]").count() == 0
    forms = page.locator("form[method=post]").evaluate_all(CHANGES)
    assert [path for path in forms if not path.startswith(OWN)] == [], page.url


def test_a_leader_sees_what_agents_do_for_the_department_and_can_change_none_of_it(
    page: Page, portal: Any, leader: Any, run: Run, clerk: Agent
) -> None:
    sign_in(page, portal, leader)
    page.goto(portal.url)
    mine = page.get_by_role("region", name="My departments")
    expect(mine.get_by_role("link", name="1 agents work in them")).to_be_visible()
    expect(mine.get_by_role("link", name="1 calls refused in 7 days")).to_be_visible()
    expect(
        page.get_by_role("region", name="Evidence").get_by_text("changes of authority in 30 days")
    ).to_be_visible()
    read(page, "home")

    # Her agents, and what one of them was worth.
    mine.get_by_role("link", name="agents work in them").click()
    expect(page.locator("#console-agents").get_by_text(clerk.name).first).to_be_visible()
    read(page, "console")
    page.goto(f"{portal.url}/agents/{clerk.pk}/")
    expect(page.get_by_role("region", name="The last 30 days")).to_contain_text("Done")
    expect(page.get_by_role("region", name="Track record")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    read(page, "agent")
    page.goto(f"{portal.url}/agents/{clerk.pk}/life/")
    read(page, "life")

    # How people decide what agents ask.
    page.goto(f"{portal.url}/")
    mine.get_by_role("link", name="How approvals go").click()
    expect(page.get_by_role("region", name="By person")).to_contain_text("Bob")
    expect(page.get_by_role("region", name="By rule")).to_contain_text("above 10000")
    read(page, "approvals")

    # What binds the agents.
    page.goto(f"{portal.url}/policies/")
    read(page, "policies")
    page.get_by_role("link", name="What binds which operation").click()
    expect(page.get_by_text("Bound by nothing: grants alone decide")).to_be_visible()
    read(page, "coverage")

    # One piece of work, and its evidence on paper.
    page.goto(f"{portal.url}/runs/?show=done")
    page.get_by_role("link", name=run.label).first.click()
    expect(page.locator("#steer")).to_have_count(0)
    read(page, "run")
    page.get_by_role("link", name="Evidence", exact=True).click()
    expect(page.get_by_text(WHY)).to_be_visible()
    read(page, "evidence")
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="Take it along as PDF")).to_be_hidden()
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="screen")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Take it along as PDF").click()
    assert taken.value.suggested_filename.endswith(".pdf")

    # She reads what waits for others, and is told that it is not hers.
    page.goto(f"{portal.url}/inbox/?show=others")
    page.locator("[data-approval] a").first.click()
    expect(page.locator("[data-detail]")).to_be_visible()
    expect(page.locator("#vote-form")).to_have_count(0)


def test_what_a_leader_sends_anyway_is_refused(
    page: Page, portal: Any, leader: Any, run: Run, clerk: Agent
) -> None:
    """The pages have no such button; whoever makes the request by hand is refused by the services."""
    sign_in(page, portal, leader)
    page.goto(f"{portal.url}/settings/")
    send = sender(page, portal)
    assert send("/bell/read/") == 200  # such a form arrives: what is refused below is not its token
    question, rule = Approval.objects.get(state="pending"), Rule.objects.get()
    done = Event.objects.filter(actor_id=str(leader.pk)).exclude(decision="deny")
    before = done.count()
    for path in (
        f"/console/agents/{clerk.pk}/pause/",
        f"/console/agents/{clerk.pk}/redirect/",
        "/console/stop/",
        f"/rules/{rule.pk}/mode/",
        f"/inbox/{question.pk}/vote/",
        f"/runs/{run.pk}/cancel/",
        f"/admin/agents/agent/{clerk.pk}/change/",
    ):
        assert send(path) in (403, 404), path
    assert done.count() == before
    clerk.refresh_from_db()
    question.refresh_from_db()
    assert (clerk.brake, question.state) == (Agent.Brake.NONE, "pending")


def sender(page: Page, portal: Any) -> Callable[[str], int]:
    """Return what sends a form with all that such a form asks for, and says the status of the answer."""
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value") or ""
    given = {"csrfmiddlewaretoken": token, "reason": WHY, "word": "STOP", "verdict": "approve", "mode": "off"}

    def send(path: str) -> int:
        answer = page.request.post(portal.url + path, form=given, headers={"Referer": portal.url + path})
        assert "CSRF" not in answer.text(), path
        return answer.status

    return send
