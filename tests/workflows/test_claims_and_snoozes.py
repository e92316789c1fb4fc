"""Somebody has it, or does not want to see it now: nobody loses a right, and no deadline moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval, Vote
from workflows.approvals.services import cast_vote, claim, give_back, remind_due, snooze
from workflows.tasks.models import Snooze
from workflows.tasks.services import release_lapsed


@pytest.fixture
def held(clerk):
    hold_above(1_000_000)
    return Approval.objects.get(pk=ask(clerk, number="RE-1", minor=2_000_000).approval_id)


def test_whoever_has_it_is_named_and_can_give_it_back(held, bob, dave):
    dave.groups.set(bob.groups.all())
    claim(actor=bob.as_actor(), approval_id=held.pk)
    with pytest.raises(Refusal, match="has it"):
        claim(actor=dave.as_actor(), approval_id=held.pk)
    claim(actor=dave.as_actor(), approval_id=held.pk, over=True, reason="bob has gone home")
    held.task.refresh_from_db()
    assert held.task.claimed_by == dave
    give_back(actor=dave.as_actor(), approval_id=held.pk)
    held.task.refresh_from_db()
    assert held.task.claimed_by is None


def test_nobody_is_reminded_while_somebody_has_it(held, bob):
    claim(actor=bob.as_actor(), approval_id=held.pk)
    Approval.objects.filter(pk=held.pk).update(remind_at=timezone.now() - timedelta(minutes=1))
    assert remind_due() == 0
    held.task.lease_until = timezone.now() - timedelta(seconds=1)
    held.task.state, held.task.claimed_by, held.task.epoch = "claimed", bob, 1
    held.task.save()
    assert remind_due() == 1
    assert release_lapsed() == 1


def test_a_claim_keeps_nobody_from_deciding(held, bob, dave):
    dave.groups.set(bob.groups.all())
    claim(actor=bob.as_actor(), approval_id=held.pk)
    said = {"verdict": Vote.Verdict.APPROVE, "reason": "It matches the order", "digest": held.digest}
    assert cast_vote(actor=dave.as_actor(), approval_id=held.pk, **said).state == "approved"


def test_who_may_not_decide_cannot_take_it(held, alice):
    with pytest.raises(Refusal, match="not for you to decide"):
        claim(actor=alice.as_actor(), approval_id=held.pk)


def test_what_is_put_off_comes_back_when_one_says_so(held, bob):
    end = held.expires_at
    snooze(actor=bob.as_actor(), approval_id=held.pk, until=timezone.now() + timedelta(hours=2))
    assert Snooze.objects.get().person == bob
    snooze(actor=bob.as_actor(), approval_id=held.pk, until=None)
    held.refresh_from_db()
    assert (Snooze.objects.count(), held.expires_at) == (0, end)
    with pytest.raises(Refusal, match="within the next 30 days"):
        snooze(actor=bob.as_actor(), approval_id=held.pk, until=timezone.now() - timedelta(hours=2))


def test_the_agent_is_told_what_to_do_instead(held, bob):
    said = {"verdict": "reject", "reason": "Paid last week", "digest": held.digest}
    cast_vote(
        actor=bob.as_actor(), approval_id=held.pk, code="duplicate", instead="Close the\u202e case", **said
    )
    vote = held.votes.get()
    assert (vote.code, vote.instead) == ("duplicate", "Close the case")
    from workflows.actions.models import Action

    assert "what to do instead: Close the case" in Action.objects.get(pk=held.subject_id).next_step
