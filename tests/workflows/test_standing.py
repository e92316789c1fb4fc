"""The like of a request approved in advance: by two people, within bounds, so often, until it is ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.decision.facts import Line
from agents.models import Agent, ChangeRequest, User
from agents.services import changes, stops
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.services import grant_operation, publish_operation
from tests.company import new_agent, person
from tests.fakes import POST_MAPPING, POST_SCHEMA, arguments
from tests.workflows.conftest import TESTS, ask, hold_above, limit
from tests.workflows.test_approvals import vote
from workflows.actions.models import Action, StandingApproval
from workflows.actions.selectors import contract_words, state_of
from workflows.actions.services import (
    Ask,
    Bounds,
    edit_action,
    preview_decision,
    propose_standing_approval,
    revoke_standing_approval,
    run_action,
)
from workflows.approvals.models import Approval

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]
WHY = "they send the same every week"
SAME = Line("and", "args.supplier", "equal", "S-1")


def bounds(**more: Any) -> Bounds:
    told = {
        "until": timezone.now() + timedelta(days=30),
        "most_uses": 3,
        "most_minor": 30_000,
        "lines": (SAME,),
    }
    return Bounds(**{**told, **more})


def propose(user: User, held: Action, **more: Any) -> ChangeRequest:
    return propose_standing_approval(
        actor=user.as_actor(), approval_id=held.approval_id, bounds=bounds(**more), reason=WHY
    )


def given(user: User, second: User, held: Action, **more: Any) -> StandingApproval:
    change = propose(user, held, **more)
    question = Approval.objects.get(subject_kind="agents.changerequest", subject_id=str(change.pk))
    vote(second, question)
    return StandingApproval.objects.get(pk=change.target_id)


def refused(work: Any) -> str:
    with pytest.raises(Refusal) as caught:
        work()
    return caught.value.code


@pytest.fixture
def erin(bob: Any) -> User:
    return person("erin", "Approvers")


@pytest.fixture
def held(clerk: Any, bob: Any, erin: Any) -> Action:
    hold_above(10_000)
    return ask(clerk, number="RE-0", minor=20_000)


@pytest.fixture
def standing(held: Action, bob: Any, erin: Any) -> StandingApproval:
    return given(bob, erin, held)


def test_the_like_is_let_through_and_says_who_granted_it(
    standing: StandingApproval, clerk: Agent, fake: Any
) -> None:
    action = ask(clerk, minor=25_000)
    assert (action.state, action.code, action.standing) == ("authorized", "approved_in_advance", standing)
    assert "Bob approved the like in advance, and Erin agreed" in action.sentence
    assert "(1 of 3 used)" in action.sentence
    told = action.explanation["standing"]
    assert (told["granted_by"], told["agreed_by"], told["used"]) == ("Bob", "Erin", 1)
    event = Event.objects.get(verb="actions.standing_used")
    assert (event.action_id, event.code) == (str(action.pk), "approved_in_advance")
    assert run_action(action_id=action.pk).state == "confirmed"
    assert fake.count() == 1
    standing.refresh_from_db()
    assert (standing.used, standing.spent_minor) == (1, 25_000)


def test_a_question_is_answered_as_it_would_be_decided_and_takes_no_use(
    standing: StandingApproval, clerk: Agent
) -> None:
    def asked(minor: int) -> tuple[str, str]:
        wish = Ask(operation="fake.invoice.post", arguments=arguments("RE-9", minor))
        found = preview_decision(actor=clerk.user.as_actor(), agent=clerk, ask=wish)
        return str(found.decision.verdict), found.decision.code

    assert asked(25_000) == ("allow", "approved_in_advance")
    assert asked(30_001)[0] == "hold"
    standing.refresh_from_db()
    assert standing.used == 0
    for number in ("RE-1", "RE-2", "RE-3"):
        assert ask(clerk, number=number, minor=11_000).state == "authorized"
    assert asked(25_000)[0] == "hold"


def test_a_second_person_reads_what_it_lets_whom_do(held: Action, bob: Any, erin: Any) -> None:
    change = propose(bob, held, total_minor=60_000)
    (said,) = change.authority
    for word in ("Robo", "up to 300.00 EUR each", "600.00 EUR in all", "3 times", "S-1"):
        assert word in said
    assert not StandingApproval.objects.exists()
    assert refused(lambda: changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)) == (
        "same_person"
    )


def test_what_is_beyond_it_is_held(standing: StandingApproval, clerk: Agent) -> None:
    assert ask(clerk, minor=30_001).state == "held"
    from tests.fakes import arguments
    from workflows.actions.services import Ask, request_action

    other = Ask(operation="fake.invoice.post", arguments={**arguments("RE-2", 20_000), "supplier": "S-2"})
    asked = request_action(actor=clerk.user.as_actor(), agent=clerk, key="other", ask=other)
    assert asked.state == "held"
    standing.refresh_from_db()
    assert standing.used == 0


def test_it_serves_exactly_so_often(standing: StandingApproval, clerk: Agent) -> None:
    states = [ask(clerk, number=f"RE-{number}", minor=20_000).state for number in range(5)]
    assert states == ["authorized"] * 3 + ["held"] * 2
    standing.refresh_from_db()
    assert state_of(standing, timezone.now()) == "used_up"


def test_all_amounts_together_are_bounded(held: Action, bob: Any, erin: Any, clerk: Agent) -> None:
    given(bob, erin, held, total_minor=45_000)
    states = [ask(clerk, number=f"RE-{number}", minor=20_000).state for number in range(3)]
    assert states == ["authorized", "authorized", "held"]


def test_a_rule_changed_or_added_voids_it(standing: StandingApproval, clerk: Agent) -> None:
    hold_above(15_000)
    assert ask(clerk, minor=20_000).state == "held"
    assert ask(clerk, number="RE-2", minor=12_000).state == "authorized"  # held by the first rule alone


def test_an_operation_published_anew_voids_it(standing: StandingApproval, clerk: Agent, book: Any) -> None:
    publish_operation(
        actor=TESTS, system=book["system"], code="fake.invoice.post", name="Post an invoice",
        effect="financial", input_schema={**POST_SCHEMA, "description": "anew"}, mapping=POST_MAPPING,
        reason=WHY, money_path="/total",
    )  # fmt: skip
    assert ask(clerk, minor=20_000).state == "held"
    standing = StandingApproval.objects.get(pk=standing.pk)
    assert state_of(standing, timezone.now()) == "void"


def test_who_granted_it_and_is_no_approver_any_more_grants_nothing(
    standing: StandingApproval, clerk: Agent, bob: Any
) -> None:
    bob.groups.remove(Group.objects.get(name="Approvers"))
    assert ask(clerk, minor=20_000).state == "held"


@pytest.mark.parametrize("change", [{"risk_tier": "high"}, {"autonomy": "hold_writes"}])
def test_an_agent_that_is_looked_at_each_time_is(standing: StandingApproval, clerk: Agent, change: Any) -> None:
    Agent.objects.filter(pk=clerk.pk).update(**change)
    assert ask(clerk, minor=20_000).state == "held"


def test_a_stop_and_a_denial_win(standing: StandingApproval, clerk: Agent, alice: Any) -> None:
    hold_above(24_000, verdict="deny")
    assert ask(clerk, minor=25_000).state == "denied"
    action = ask(clerk, number="RE-2", minor=20_000)
    stops.raise_stop(actor=alice.as_actor(), scope_kind="agent", scope_id=str(clerk.pk), reason=WHY)
    assert run_action(action_id=action.pk).state == "stopped"
    assert ask(clerk, number="RE-3", minor=20_000).state == "denied"


def test_a_limit_counts_all_the_same(standing: StandingApproval, clerk: Agent) -> None:
    limit("a_day", 1)
    assert [ask(clerk, number=str(number), minor=20_000).state for number in (1, 2)] == ["authorized", "denied"]


def test_who_it_is_done_for_did_not_approve_it(standing: StandingApproval, clerk: Agent, bob: Any) -> None:
    assert ask(clerk, minor=20_000, on_behalf_of=str(bob.pk)).state == "held"


def test_ended_before_it_began_it_is_not_begun(
    standing: StandingApproval, clerk: Agent, erin: Any, fake: Any
) -> None:
    action = ask(clerk, minor=20_000)
    revoke_standing_approval(actor=erin.as_actor(), standing_id=standing.pk, reason="not any more")
    assert ask(clerk, number="RE-2", minor=20_000).state == "held"
    ended = run_action(action_id=action.pk)
    assert (ended.state, ended.code, fake.count()) == ("denied", "standing_approval_over", 0)
    event = Event.objects.get(verb="actions.standing_revoked")
    assert (event.reason, event.actor_id) == ("not any more", str(erin.pk))


def test_over_before_it_began_it_is_not_begun(
    held: Action, bob: Any, erin: Any, clerk: Agent, monkeypatch: Any
) -> None:
    from workflows.actions.services import in_advance

    standing = given(bob, erin, held)
    action = ask(clerk, minor=20_000)
    monkeypatch.setattr(in_advance, "database_now", lambda: standing.until)
    assert run_action(action_id=action.pk).code == "standing_approval_over"


def test_who_may_end_it(standing: StandingApproval, mallory: Any, alice: Any, clerk: Agent) -> None:
    def end(user: User) -> Any:
        return revoke_standing_approval(actor=user.as_actor(), standing_id=standing.pk, reason=WHY)

    assert refused(lambda: end(mallory)) == "not_found"
    assert refused(lambda: end(clerk.user)) == "agents_refused"
    end(alice)
    assert refused(lambda: end(alice)) == "already_revoked"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"most_minor": None}, "bounds_wrong"),
        ({"most_minor": 0}, "bounds_wrong"),
        ({"most_minor": 19_999}, "never_in_advance"),
        ({"total_minor": 1}, "bounds_wrong"),
        ({"most_uses": 0}, "bounds_wrong"),
        ({"most_uses": 1001}, "bounds_wrong"),
        ({"until": timezone.now() + timedelta(days=91)}, "bounds_wrong"),
        ({"until": timezone.now() - timedelta(days=1)}, "bounds_wrong"),
        ({"lines": (Line("or", "args.supplier", "equal", "S-1"),)}, "bounds_wrong"),
        ({"lines": (Line("and", "args.nothing", "equal", "S-1"),)}, "bounds_wrong"),
        ({"lines": (Line("and", "args.supplier", "equal", "S-2"),)}, "never_in_advance"),
    ],
)
def test_bounds_that_are_none_are_refused(held: Action, bob: Any, wrong: Any, code: str) -> None:
    assert refused(lambda: propose(bob, held, **wrong)) == code


def test_only_who_is_asked_may_ask_for_it(held: Action, alice: Any, mallory: Any, clerk: Agent) -> None:
    assert refused(lambda: propose(mallory, held)) == "not_found"
    assert refused(lambda: propose(alice, held)) == "not_an_approver"
    assert refused(lambda: propose(clerk.user, held)) != ""


def test_what_is_held_by_the_autonomy_of_an_agent_is_looked_at_each_time(
    clerk: Agent, bob: Any, erin: Any
) -> None:
    Agent.objects.filter(pk=clerk.pk).update(autonomy="hold_writes")
    assert refused(lambda: propose(bob, ask(clerk, minor=20_000))) == "never_in_advance"


def test_where_two_must_agree_both_are_of_those_who_are_asked(clerk: Agent, bob: Any, erin: Any) -> None:
    finance, _ = Group.objects.get_or_create(name="Finance")
    hold_above(10_000, quorum=2, approver_group=finance)
    for one in (bob, erin):
        one.groups.add(finance)
    held = ask(clerk, minor=20_000)
    change = propose(bob, held)
    question = Approval.objects.get(subject_id=str(change.pk))
    assert refused(lambda: vote(person("zoe", "Approvers"), question)) == "not_an_approver"
    vote(erin, question)
    assert ask(clerk, number="RE-2", minor=20_000).state == "authorized"
    erin.groups.remove(finance)
    assert ask(clerk, number="RE-3", minor=20_000).state == "held"


def test_where_three_must_agree_it_is_never_in_advance(clerk: Agent, bob: Any) -> None:
    hold_above(10_000, quorum=3)
    assert refused(lambda: propose(bob, ask(clerk, minor=20_000))) == "never_in_advance"


def test_one_for_a_role_covers_its_agents(alice: Any, bob: Any, erin: Any, book: Any) -> None:
    hold_above(10_000)
    rolf, rita = new_agent(alice, "rolf"), new_agent(alice, "rita")
    grant_operation(actor=TESTS, operation=book["post"], role=rolf.role, reason="set up for a test")
    given(bob, erin, ask(rolf, number="RE-0", minor=20_000), for_role=True)
    states = [ask(agent, number=f"RE-{agent}", minor=20_000).state for agent in (rolf, rita)]
    assert states == ["authorized", "authorized"]


def test_what_a_person_changed_is_never_let_through_by_it(
    standing: StandingApproval, clerk: Agent, bob: Any
) -> None:
    held = ask(clerk, number="RE-5", minor=40_000)
    new = edit_action(
        actor=bob.as_actor(),
        approval_id=held.approval_id,
        digest=held.approval.digest,
        changes={"total": {"minor": 20_000}},
        reason="it says less",
    )
    assert (new.state, new.standing) == ("held", None)


def test_the_database_keeps_it_as_it_was_agreed(standing: StandingApproval, bob: Any, clerk: Agent) -> None:
    rows = StandingApproval.objects.filter(pk=standing.pk)
    for change in (
        {"most_minor": 10**9},
        {"most_uses": 1000},
        {"used": 99},
        {"until": standing.until + timedelta(1)},
        {"binding": "0" * 64},
        {"agreed_by": bob},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.delete()
    action = ask(clerk, minor=20_000)
    with pytest.raises(IntegrityError), transaction.atomic():
        Action.objects.filter(pk=action.pk).update(standing=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(used=0)


def test_the_contract_names_it(standing: StandingApproval, clerk: Agent) -> None:
    (said,) = contract_words(clerk)
    assert "Lets Robo" in said
    assert "So many are left: 3" in said


def test_the_same_key_counts_once(standing: StandingApproval, clerk: Agent) -> None:
    first = ask(clerk, key="the same", minor=20_000)
    run_action(action_id=first.pk)
    assert ask(clerk, key="the same", minor=20_000).pk == first.pk
    standing.refresh_from_db()
    assert standing.used == 1


def test_nothing_the_second_person_agrees_to_is_cut_off(held: Action, bob: Any, erin: Any) -> None:
    names = "; ".join(f"S-{number}" for number in range(40, 80))
    longest = [Line("and", "args.supplier", "none_of", names)] * 2
    assert refused(lambda: propose(bob, held, lines=longest, most_minor=90_000_000)) == "bounds_wrong"
    (said,) = propose(bob, held, lines=longest[:1], most_minor=90_000_000, most_uses=1000).authority
    assert '"S-79", up to 900,000.00 EUR each, 1000 times, until ' in said


def test_as_many_comparisons_as_are_taken_can_be_agreed_to(held: Action, bob: Any, erin: Any) -> None:
    assert refused(lambda: propose(bob, held, lines=[SAME] * 8)) == "bounds_wrong"
    given(bob, erin, held, lines=[SAME] * 7)


def test_who_agreed_to_it_and_does_not_decide_the_like_is_not_served_by_it_either(
    clerk: Agent, bob: Any, erin: Any
) -> None:
    finance = Group.objects.create(name="Finance")
    bob.groups.add(finance)
    hold_above(10_000, approver_group=finance)
    standing = given(bob, erin, ask(clerk, number="RE-0", minor=20_000))
    assert ask(clerk, minor=20_000).standing == standing
    assert ask(clerk, number="RE-2", minor=20_000, on_behalf_of=str(erin.pk)).state == "held"
