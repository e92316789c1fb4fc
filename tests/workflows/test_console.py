"""The console as the server gives it: who stands how and why, what costs how much, and what orders do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent, Stop
from agents.services import lifecycle, stops
from audit.models import Event
from tests.workflows.conftest import ask, hold_above, new_agent
from tests.workflows.test_pages import HOSTILE
from tests.workflows.test_runs import begun, claim, complete, workflow
from tests.workflows.test_task_api import work
from workflows.actions.models import Action
from workflows.actions.services import run_action
from workflows.pages.console.staff import Asked, Staff, staff_of
from workflows.pages.console.standing import failing_now
from workflows.runs.models import Run
from workflows.tasks import services as tasks
from workflows.tasks.models import Instruction, Task

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "its answers look odd"


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def stands(user: Any, **asked: Any) -> dict[str, str]:
    return {line.agent.code: line.standing for line in staff_of(user, Asked(**asked)).lines}


def counts(staff: Staff) -> dict[str, int]:
    return {one.key: many for one, many in staff.counts}


class TestHowAgentsStand:
    def test_idle_working_waiting_paused(self, clerk: Any, alice: Any, dave: Any) -> None:
        hold_above(1_000_000)
        works, stopped, _spare = (new_agent(alice, code) for code in ("works", "stopped", "spare"))
        assert stands(dave) == dict.fromkeys(("robo", "works", "stopped", "spare"), "idle")
        ask(clerk, minor=2_000_000)
        work(works)
        tasks.claim_next(actor=works.user.as_actor())
        stops.raise_stop(actor=dave.as_actor(), scope_kind="agent", scope_id=str(stopped.pk), reason=WHY)
        found = staff_of(dave, Asked())
        assert stands(dave) == {"robo": "waiting", "works": "working", "stopped": "paused", "spare": "idle"}
        assert [line.agent.code for line in found.lines] == ["robo", "works", "stopped", "spare"]
        assert counts(found) == {"failing": 0, "waiting": 1, "working": 1, "paused": 1, "idle": 1}
        assert found.lines[2].why == f"Stopped: {stopped.name}"
        assert stands(dave, state="working") == {"works": "working"}
        assert stands(dave, words="ROB") == {"robo": "waiting"}

    def test_a_stop_of_a_department_stops_those_below_it(self, clerk: Any, alice: Any) -> None:
        scope = str(clerk.department_id)
        stops.raise_stop(actor=alice.as_actor(), scope_kind="department", scope_id=scope, reason=WHY)
        assert stands(alice) == {"robo": "paused"}

    def test_three_failures_in_a_row_are_failing_until_one_goes_well(
        self, clerk: Any, fake: Any, dave: Any
    ) -> None:
        for number in range(3):
            assert not failing_now()
            fake.fail_next("422")
            failed = run_action(action_id=ask(clerk, number=f"RE-{number}").pk)
            assert failed.state == Action.State.FAILED
        assert failing_now() == {clerk.pk: "Its last 3 actions failed."}
        assert stands(dave) == {"robo": "failing"}
        run_action(action_id=ask(clerk, number="RE-9").pk)
        assert not failing_now()

    def test_an_action_in_doubt_is_failing(self, clerk: Any, fake: Any, dave: Any) -> None:
        fake.fail_next("effect_then_reset")
        lost = run_action(action_id=ask(clerk).pk)
        Action.objects.filter(pk=lost.pk).update(state=Action.State.IN_DOUBT)
        assert stands(dave) == {"robo": "failing"}
        assert "not known whether 1 action" in failing_now()[clerk.pk]


class TestThePage:
    def test_it_costs_the_same_for_one_and_for_many(self, clerk: Any, alice: Any, workflow: Any) -> None:
        begun(alice)
        claim(clerk)
        client = browser(alice)
        client.get(reverse("console"))
        with CaptureQueriesContext(
            connection,
        ) as few:
            client.get(reverse("console"))
        for number in range(8):
            other = new_agent(alice, f"other-{number}")
            work(other)
            tasks.claim_next(actor=other.user.as_actor())
        with CaptureQueriesContext(connection) as many:
            client.get(reverse("console"))
        assert len(many) <= len(few) + 1, "what more agents cost"
        assert len(few) < 75

    def test_pages_go_on_from_an_agent(self, clerk: Any, alice: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr("workflows.pages.console.staff.ON_A_PAGE", 2)
        for number in range(4):
            new_agent(alice, f"other-{number}")
        seen, after = [], ""
        for _ in range(3):
            found = staff_of(alice, Asked(after=after))
            seen += [line.agent.code for line in found.lines]
            after = found.onward
        assert sorted(seen) == ["other-0", "other-1", "other-2", "other-3", "robo"]
        assert after == ""

    @pytest.mark.parametrize(
        "query",
        [
            "state=x&role=1&department=-&after=9.x&q=%25",
            "agent=x&run=x",
            "after=0.00000000-0000-0000-0000-000000000000",
        ],
    )
    def test_an_address_that_asks_for_nothing_known_is_no_error(
        self, clerk: Any, dave: Any, query: str
    ) -> None:
        assert browser(dave).get(f"{reverse('console')}?{query}").status_code == 200

    def test_hostile_words_stay_words(self, clerk: Any, alice: Any, dave: Any) -> None:
        work(clerk, title=HOSTILE)
        (task,) = tasks.claim_next(actor=clerk.user.as_actor())
        tasks.heartbeat_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, progress=HOSTILE)
        page = browser(dave).get(f"{reverse('console')}?agent={clerk.pk}").content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page

    def test_what_somebody_may_not_see_is_not_there(self, clerk: Any, mallory: Any) -> None:
        page = browser(mallory).get(f"{reverse('console')}?agent={clerk.pk}").content.decode()
        assert "Robo" not in page
        assert "Stop everything" not in page

    def test_the_run_that_is_looked_at_shows_its_steps(self, workflow: Any, alice: Any) -> None:
        run = begun(alice)
        page = browser(alice).get(f"{reverse('console')}?run={run.pk}").content.decode()
        assert run.label in page
        assert reverse("run-pause", args=[run.pk]) in page

    def test_the_former_list_leads_here(self, alice: Any) -> None:
        assert browser(alice).get(reverse("agents"))["Location"] == reverse("console")


class TestPausing:
    def order(self, user: Any, agent: Any, verb: str = "pause", **given: Any) -> Any:
        address = reverse(f"console-{verb}", args=[agent.pk])
        return browser(user).post(address, {"reason": WHY, "seconds": "60", **given})

    def test_it_says_first_what_it_changes(self, clerk: Any, dave: Any) -> None:
        work(clerk, title="Read the invoice")
        tasks.claim_next(actor=clerk.user.as_actor())
        ask(clerk)
        page = browser(dave).get(reverse("console-pause", args=[clerk.pk])).content.decode()
        for words in (
            "1 task in hand: Read the invoice",
            "1 action that is allowed is not sent",
            "every call is refused",
        ):
            assert words in page

    def test_at_once_with_what_it_has_taken_back(self, clerk: Any, dave: Any) -> None:
        task = work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor())
        assert self.order(dave, clerk, how="cut").status_code == 302
        clerk.refresh_from_db()
        assert (clerk.brake, Task.objects.get(pk=task.pk).state) == ("paused", "open")
        entry = Event.objects.get(verb="agents.agent_paused")
        assert entry.payload.data["before"] == {"brake": "none", "pause_at": ""}
        assert entry.payload.data["brake"] == "paused"

    def test_after_it_has_finished(self, clerk: Any, dave: Any) -> None:
        self.order(dave, clerk, how="finish")
        clerk.refresh_from_db()
        assert clerk.brake == "none"
        assert clerk.is_finishing

    def test_without_a_reason_or_a_way_nothing_is_done(self, clerk: Any, dave: Any) -> None:
        assert self.order(dave, clerk, how="cut", reason="").status_code == 422
        assert self.order(dave, clerk, how="at my will").status_code == 422
        clerk.refresh_from_db()
        assert clerk.brake == "none"

    def test_once_and_by_nobody_who_may_not(
        self, clerk: Any, alice: Any, dave: Any, carol: Any, mallory: Any
    ) -> None:
        assert self.order(mallory, clerk, how="keep").status_code == 404
        assert self.order(carol, clerk, how="keep").status_code == 403
        assert self.order(dave, clerk, how="keep", reason="no").status_code == 422
        assert self.order(dave, clerk, how="keep").status_code == 302
        assert self.order(dave, clerk, how="keep").status_code == 409
        assert self.order(dave, clerk, "resume").status_code == 403
        assert self.order(alice, clerk, "resume").status_code == 302
        assert self.order(alice, clerk, "resume").status_code == 409

    def test_who_may_not_reads_why(self, clerk: Any, bob: Any, dave: Any) -> None:
        assert b"You cannot pause" in browser(bob).get(reverse("console-pause", args=[clerk.pk])).content
        assert self.order(bob, clerk, how="keep").status_code == 403
        lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason=WHY)
        assert self.order(dave, clerk, "resume").status_code == 403, "a manager lets it go on"

    def test_a_manager_lets_it_go_on(self, clerk: Any, alice: Any) -> None:
        lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason=WHY)
        assert self.order(alice, clerk, "resume").status_code == 302
        clerk.refresh_from_db()
        assert clerk.brake == "none"


def test_an_agent_is_told_something_about_its_task(clerk: Any, dave: Any) -> None:
    task = work(clerk)
    tasks.claim_next(actor=clerk.user.as_actor())
    address = reverse("console-redirect", args=[clerk.pk])
    given = {"text": "Leave Acme for tomorrow.", "task": str(task.pk), "reason": WHY}
    assert browser(dave).post(address, {**given, "text": ""}).status_code == 422
    answer = browser(dave).post(address, given)
    assert answer.status_code == 302
    assert Instruction.objects.get().task == task
    page = browser(dave).get(answer["Location"]).content.decode()
    assert "Leave Acme for tomorrow." in page
    assert "not read yet" in page


def test_what_it_has_leads_to_the_verbs_of_its_steps(workflow: Any, clerk: Any, alice: Any, bob: Any) -> None:
    begun(alice)
    task = claim(clerk)
    step = task.step
    page = browser(alice).get(reverse("console-override", args=[clerk.pk])).content.decode()
    for verb in ("override", "skip"):
        assert reverse(f"step-{verb}", args=[step.run_id, step.pk]) in page
    assert reverse("console-step-fail", args=[step.run_id, step.pk]) in page
    elsewhere = browser(alice).get(reverse("console-redirect", args=[clerk.pk])).content.decode()
    assert reverse("step-redirect", args=[step.run_id, step.pk]) in elsewhere


def test_a_step_is_marked_failed_by_hand(workflow: Any, clerk: Any, alice: Any, bob: Any) -> None:
    run = begun(alice)
    step = claim(clerk).step
    address = reverse("console-step-fail", args=[run.pk, step.pk])
    assert "has it and loses it" in browser(alice).get(address).content.decode()
    assert browser(bob).post(address, {"reason": WHY}).status_code in (403, 404)
    assert browser(alice).post(address, {"reason": ""}).status_code == 422
    assert browser(alice).post(address, {"reason": WHY}).status_code == 302
    step.task.refresh_from_db()
    assert (step.task.state, step.task.failure["code"]) == ("failed", "failed_by_operator")
    entry = Event.objects.get(verb="runs.step_failed_by_hand")
    assert (entry.reason, entry.payload.data["before"]["task"]) == (WHY, "claimed")
    assert browser(alice).post(address, {"reason": WHY}).status_code == 409
    assert Run.objects.get(pk=run.pk).state in ("running", "incident")


class TestStoppingEverything:
    def test_it_says_who_is_affected_and_asks_for_the_word(self, clerk: Any, dave: Any) -> None:
        work(clerk)
        tasks.claim_next(actor=clerk.user.as_actor())
        page = browser(dave).get(reverse("console-stop")).content.decode()
        for words in ("1 agent is stopped: Robo", "1 task is taken back", "0 runs under way"):
            assert words in page
        given = {"reason": WHY, "typed": "go"}
        assert browser(dave).post(reverse("console-stop"), given).status_code == 422
        assert not Stop.objects.exists()
        assert browser(dave).post(reverse("console-stop"), {**given, "typed": "Stop "}).status_code == 302
        assert Stop.objects.get().scope_kind == "everything"
        assert stands(dave) == {"robo": "paused"}

    def test_the_way_back_is_a_managers_stage_by_stage(
        self, clerk: Any, alice: Any, dave: Any, carol: Any
    ) -> None:
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        for stage in ("look", "held", "lift"):
            address = reverse(f"console-{stage}-stop", args=[stop.pk])
            assert browser(dave).post(address, {"reason": WHY}).status_code == 403
            assert address in browser(alice).get(reverse("console")).content.decode()
            assert browser(alice).post(address, {"reason": WHY}).status_code == 302
        stop.refresh_from_db()
        assert stop.lifted_at is not None
        assert browser(alice).post(address, {"reason": WHY}).status_code == 409
        assert browser(carol).get(reverse("console-stop")).status_code == 403


def test_the_pace_of_the_ledger_is_said(clerk: Any, dave: Any) -> None:
    Event.objects.all()
    ask(clerk)
    page = browser(dave).get(reverse("console-top")).content.decode()
    assert "a minute" in page
    assert "up to date" in page or "s behind" in page


def test_nobody_is_let_finish_for_ever(clerk: Any, dave: Any) -> None:
    lifecycle.let_finish(actor=dave.as_actor(), agent=clerk, seconds=60, reason=WHY)
    Agent.objects.filter(pk=clerk.pk).update(pause_at=Now() - timedelta(seconds=1))
    assert tasks.pause_finished() == 1
    assert stands(dave) == {"robo": "paused"}


class TestWhatTheConsoleTells:
    def test_a_paused_agent_says_who_paused_it_why_and_who_lets_it_go_on(
        self, clerk: Any, dave: Any, alice: Any
    ) -> None:
        lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason=WHY)
        (line,) = staff_of(dave, Asked()).lines
        assert line.why == f"Paused by Dave: “{WHY}”. A manager lets it go on."
        (line,) = staff_of(alice, Asked()).lines
        assert (line.why, "resume" in line.orders) == (f"Paused by Dave: “{WHY}”.", True)

    def test_an_agent_says_how_much_more_it_has_in_hand(self, clerk: Any, dave: Any) -> None:
        hold_above(1_000_000)
        for number in range(5):
            ask(clerk, number=f"RE-{number}", minor=2_000_000)
        (line,) = staff_of(dave, Asked()).lines
        assert (len(line.doings), line.more) == (2, 3)
        assert "and 3 more" in browser(dave).get(reverse("console")).content.decode()

    def test_what_waits_for_others_is_said_to_who_only_watches(self, clerk: Any, dave: Any) -> None:
        assert "Nothing needs a person now" in browser(dave).get(reverse("console")).content.decode()
        hold_above(1_000_000)
        ask(clerk, minor=2_000_000)
        for address in ("console", "home"):
            page = browser(dave).get(reverse(address)).content.decode()
            assert "1 waits for others" in page, address
            assert "Nothing needs a person now" not in page
            assert "All is well" not in page

    def test_the_filter_of_the_feed_shows_an_agent_by_its_code(self, clerk: Any, dave: Any) -> None:
        page = browser(dave).get(reverse("console"), {"agent": str(clerk.pk)}).content.decode()
        assert f'<input name="agent" value="{clerk.code}"' in page

    def test_when_everything_is_stopped_it_is_not_offered_again(self, clerk: Any, dave: Any) -> None:
        way = reverse("console-stop")
        assert way in browser(dave).get(reverse("console-top")).content.decode()
        stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason=WHY)
        assert way not in browser(dave).get(reverse("console-top")).content.decode()


def test_what_was_given_back_while_people_decide_is_still_overridden(
    workflow: Any, clerk: Any, alice: Any
) -> None:
    hold_above(1_000_000)
    begun(alice)
    task = claim(clerk)
    held = ask(clerk, minor=2_000_000, task_id=str(task.pk), task_epoch=task.epoch)
    tasks.release_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=held.as_ref())
    page = browser(alice).get(reverse("console-override", args=[clerk.pk])).content.decode()
    assert reverse("step-override", args=[task.step.run_id, task.step.pk]) in page


def test_a_run_that_stopped_is_told_once(workflow: Any, clerk: Any, alice: Any) -> None:
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")  # what comes next needs more of its answer
    run.refresh_from_db()
    assert run.state == "incident"
    page = browser(alice).get(reverse("console-side")).content.decode()
    assert page.count(reverse("run", args=[run.pk])) == 1
