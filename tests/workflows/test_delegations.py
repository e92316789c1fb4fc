"""Somebody is away, and another decides in their place: what counts, what does not, what is on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from agents.models import ChangeRequest, User
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import person
from tests.workflows.conftest import ask, hold_above, signed_in
from workflows.actions.models import Action
from workflows.approvals import services
from workflows.approvals.models import Approval, Delegation, Vote
from workflows.approvals.selectors import company_day, pending_for, visible_to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]
WHY = "I am on holiday until then"


def hand_on(giver: User, delegate: User, first: int = 0, last: int = 5) -> Delegation:
    today = company_day()
    return services.give_delegation(
        actor=giver.as_actor(),
        delegate=delegate,
        first_day=today + timedelta(first),
        last_day=today + timedelta(last),
        reason=WHY,
    )


def vote(user: User, approval: Approval, whom: User | None = None, verdict: str = "approve") -> Approval:
    return services.cast_vote(
        actor=user.as_actor(),
        approval_id=approval.pk,
        verdict=verdict,
        reason="looks right to me",
        digest=approval.digest,
        on_behalf_of=whom.pk if whom else "",
    )


def refused(user: User, approval: Approval, whom: User | None = None) -> str:
    with pytest.raises(Refusal) as told:
        vote(user, approval, whom)
    return told.value.code


@pytest.fixture
def held(clerk: Any, bob: Any) -> Action:
    hold_above(10_000, quorum=2)
    return ask(clerk, minor=20_000)


@pytest.fixture
def approval(held: Action) -> Approval:
    return held.approval


@pytest.fixture
def dana(seeded_company: None) -> User:
    """She may sign in, and nothing is hers to approve."""
    return person("dana", "Nobody in particular")


def test_a_delegate_decides_in_the_place_of_who_is_away_and_both_names_stay(
    held: Action, approval: Approval, bob: User, dana: User
) -> None:
    assert not pending_for(dana).exists()
    hand_on(bob, dana)
    assert list(pending_for(dana)) == [approval]
    assert visible_to(dana).filter(pk=approval.pk).exists()
    vote(dana, approval, bob)
    cast = Vote.objects.get()
    assert (cast.user, cast.on_behalf_of, cast.through, cast.whose) == (dana, bob, None, "Dana for Bob")
    event = Event.objects.get(verb="approvals.vote_cast")
    assert event.sentence.startswith("Dana for Bob approved:")
    assert event.actor_id == str(dana.pk)
    for user in (bob, dana):
        assert not pending_for(user).exists()
    assert refused(bob, approval) == refused(dana, approval, bob) == "already_voted"
    vote(person("barbara", "Approvers"), approval)
    held.refresh_from_db()
    assert held.state == "authorized"


def test_one_person_is_never_two_of_a_quorum(approval: Approval, bob: User) -> None:
    barbara = person("barbara", "Approvers")
    hand_on(bob, barbara)
    vote(barbara, approval)
    assert refused(barbara, approval, bob) == "already_voted"
    vote(bob, approval)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_a_delegation_of_a_delegation_counts_and_the_one_between_is_named(
    approval: Approval, bob: User, dana: User
) -> None:
    dora = person("dora", "Nobody in particular")
    hand_on(bob, dana)
    hand_on(dana, dora)
    vote(dora, approval, bob)
    cast = Vote.objects.get()
    assert (cast.on_behalf_of, cast.through) == (bob, dana)
    assert cast.whose == "Dora for Dana, who stands in for Bob"
    assert refused(dana, approval, bob) == "already_voted"


def test_it_is_the_right_of_who_is_away_that_counts_when_the_vote_is_cast(
    approval: Approval, bob: User, dana: User
) -> None:
    hand_on(bob, dana)
    bob.groups.clear()
    assert refused(dana, approval, bob) == "not_an_approver"
    bob.groups.add(Group.objects.get(name="Approvers"))
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert refused(dana, approval, bob) == "not_a_delegate"


def test_days_and_a_withdrawal_end_it_at_once(approval: Approval, bob: User, dana: User) -> None:
    hand_on(bob, dana, first=1)
    assert refused(dana, approval, bob) == "not_a_delegate"
    barbara = person("barbara", "Approvers")
    given = hand_on(barbara, dana)
    services.withdraw_delegation(actor=barbara.as_actor(), delegation_id=given.pk, reason="I am back")
    assert refused(dana, approval, barbara) == "not_a_delegate"
    assert not pending_for(dana).exists()
    with pytest.raises(Refusal) as told:
        services.withdraw_delegation(actor=dana.as_actor(), delegation_id=given.pk, reason="I am back")
    assert told.value.code == "delegation_over"
    assert Event.objects.filter(verb="approvals.delegation_withdrawn", subject_id=str(given.pk)).count() == 1


def test_who_it_is_done_for_does_not_decide_through_another(clerk: Any, bob: User, dana: User) -> None:
    hold_above(10_000)
    for_bob = ask(clerk, number="1", minor=20_000, on_behalf_of=str(bob.pk)).approval
    for_dana = ask(clerk, number="2", minor=20_000, on_behalf_of=str(dana.pk)).approval
    hand_on(bob, dana)
    assert not pending_for(dana).exists()
    assert refused(dana, for_bob, bob) == refused(dana, for_dana, bob) == "four_eyes"


def test_the_database_holds_it_too(approval: Approval, bob: User, dana: User) -> None:
    def insert(**people: Any) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Vote.objects.create(
                approval=approval, verdict="approve", reason="x", digest=approval.digest, **people
            )

    insert(user=dana, on_behalf_of=bob)
    given = hand_on(bob, dana)
    vote(dana, approval, bob)
    insert(user=bob)
    insert(user=dana)
    for change in ({"last_day": given.last_day + timedelta(9)}, {"delegate": person("dora", "Nobody")}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Delegation.objects.filter(pk=given.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delegation.objects.filter(pk=given.pk).delete()


def test_a_change_of_authority_is_decided_with_the_right_of_who_is_away(
    clerk: Any, alice: User, bob: User, dana: User
) -> None:
    from agents.services import policies

    rule = hold_above(10_000)
    change = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"mode": "shadow"}, reason="too many holds"
    ).change_request
    asked = Approval.objects.get(subject_kind="agents.changerequest")
    hand_on(bob, dana)
    vote(dana, asked, bob)
    change.refresh_from_db()
    assert (change.state, change.approver) == ("applied", dana)
    assert Event.objects.get(verb="agents.change_applied").sentence.startswith("Dana for Bob approved")
    hand_on(alice, bob)
    again = policies.propose_rule_change(
        actor=alice.as_actor(), rule=hold_above(15_000), changes={"mode": "draft"}, reason="too many holds"
    ).change_request
    alice.groups.add(Group.objects.get(name="Approvers"))
    assert refused(bob, Approval.objects.get(subject_id=str(again.pk)), alice) == "four_eyes"


def test_for_somebody_who_is_ill_a_manager_asks_and_another_agrees_who_does_not_gain_by_it(
    alice: User, bob: User, dana: User, mallory: User
) -> None:
    today = company_day()
    days = {"first_day": today, "last_day": today + timedelta(3), "reason": "Bob is ill"}

    def propose(actor: User, delegate: User) -> ChangeRequest:
        return services.propose_delegation(actor=actor.as_actor(), giver=bob, delegate=delegate, **days)

    for actor, delegate, code in ((alice, alice, "own_rights"), (mallory, dana, "permission_missing")):
        with pytest.raises(Refusal) as told:
            propose(actor, delegate)
        assert told.value.code == code
    barbara = person("barbara", "Approvers")
    change = propose(alice, barbara)
    asked = Approval.objects.get(subject_id=str(change.pk))
    assert not Delegation.objects.exists()
    assert refused(barbara, asked) == refused(alice, asked) == "four_eyes"
    vote(bob, asked)
    given = Delegation.objects.get()
    assert (given.giver, given.delegate, given.given_by) == (bob, barbara, alice)
    assert Event.objects.get(verb="approvals.delegation_given").actor_id == str(alice.pk)


def test_agents_hand_nothing_on_and_nothing_is_handed_to_them(clerk: Any, bob: User) -> None:
    for giver, delegate in ((clerk.user, bob), (bob, clerk.user)):
        with pytest.raises(Refusal):
            hand_on(giver, delegate)


def test_over_http_it_is_given_used_and_ended(approval: Approval, bob: User, dana: User, mallory: User) -> None:
    today = company_day()
    body = {"delegate": "dana", "first_day": str(today), "last_day": str(today), "reason": WHY}
    made = signed_in(bob).post("/api/v1/delegations", body, format="json")
    assert made.status_code == 201
    assert made.json()["in_force"] is True
    theirs = signed_in(dana)
    read = theirs.get(f"/api/v1/approvals/{approval.pk}").json()
    assert read["may_vote_for"] == ["bob"]
    said = {"verdict": "approve", "digest": read["digest"], "reason": "as agreed", "on_behalf_of": "bob"}
    voted = theirs.post(f"/api/v1/approvals/{approval.pk}/votes", said, format="json").json()
    assert [(one["user"], one["on_behalf_of"]) for one in voted["votes"]] == [("dana", "bob")]
    assert voted["may_vote_for"] == []
    address = f"/api/v1/delegations/{made.json()['id']}"
    assert signed_in(mallory).get(address).status_code == 404
    ended = theirs.post(f"{address}/end", {"reason": "Bob is back"}, format="json")
    assert (ended.status_code, ended.json()["in_force"]) == (200, False)
    unknown = {**said, "on_behalf_of": "nobody-by-this-name"}
    answer = signed_in(bob).post(f"/api/v1/approvals/{approval.pk}/votes", unknown, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_delegate")


def test_the_page_says_who_decides_and_the_inbox_in_whose_place(
    approval: Approval, bob: User, dana: User
) -> None:
    today = company_day()
    his, hers = Client(), Client()
    his.force_login(bob)
    hers.force_login(dana)
    wrong = {"delegate": dana.pk, "first_day": today, "last_day": today - timedelta(1), "reason": WHY}
    assert his.post(reverse("away"), wrong).status_code == 422
    assert his.post(reverse("away"), {**wrong, "last_day": today}).status_code == 302
    assert "Dana for Bob" in hers.get(reverse("away")).content.decode()
    assert "In place of Bob." in hers.get(reverse("inbox")).content.decode()
    shown = hers.get(reverse("inbox-approval", args=[approval.pk])).content.decode()
    assert "You decide for Bob, who is away" in shown
    amount = Action.objects.get(pk=approval.subject_id).amount_minor or 0
    said = {"verdict": "approve", "reason": "as agreed", "digest": approval.digest, "for": str(bob.pk)}
    said |= {"typed": f"{amount / 100:.2f}"}
    assert hers.post(reverse("inbox-vote", args=[approval.pk]), said).status_code == 302
    assert "Dana has voted for you" in his.get(reverse("inbox-approval", args=[approval.pk])).content.decode()
    given = Delegation.objects.get()
    assert his.post(reverse("away-end", args=[given.pk]), {"reason": "back again"}).status_code == 302
    assert not hers.get(reverse("away")).context["to_me"][0].may_end
