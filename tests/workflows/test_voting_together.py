"""Several requests that are alike are decided with one reason: each by itself, and nothing that is grave."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent, User
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import person
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.test_approvals import vote
from workflows.approvals import services
from workflows.approvals.models import Approval, Vote
from workflows.approvals.policies import may_go_together
from workflows.approvals.selectors import alike_for
from workflows.approvals.services import Choice

WHY = "Checked against the orders of Monday"
TIERS, EFFECTS = ("low", "medium", "high", "", "new"), ("read", "write", "financial", "destructive", "", "new")


@given(st.sampled_from(EFFECTS), st.sampled_from(TIERS), st.integers(0, 5))
def test_nothing_grave_goes_together(effect, tier, quorum):
    grave = tier not in ("low", "medium") or effect in ("destructive", "", "new")
    shared = effect == "financial" and quorum > 1
    assert may_go_together(effect=effect, risk_tier=tier, quorum=quorum) is not (grave or shared)


def held(clerk: Any, *numbers: str, minor: int = 20_000) -> list[Approval]:
    return [ask(clerk, number=number, minor=minor).approval for number in numbers]


def choices(approvals: list[Approval]) -> list[Choice]:
    return [Choice(str(one.pk), one.digest) for one in approvals]


def together(user: User, some: list[Choice], verdict: str = "approve") -> list[str]:
    outcomes = services.cast_together(actor=user.as_actor(), choices=some, verdict=verdict, reason=WHY)
    return [one.refusal.code if one.refusal else one.approval.state for one in outcomes]


pages = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


class TestTogether:
    pytestmark = pages

    def test_each_is_voted_on_by_itself_and_one_refusal_stops_no_other(self, clerk: Any, bob: User) -> None:
        hold_above(10_000)
        one, two, three = held(clerk, "1", "2", "3")
        vote(bob, two, "reject")
        some = choices([one, two, three])
        some[2] = Choice(some[2].approval_id, "0" * 64)
        assert together(bob, some) == ["approved", "approval_closed", "digest_changed"]
        assert Vote.objects.get(approval=one).reason == WHY
        assert Event.objects.filter(verb="approvals.vote_cast", subject_id=str(one.pk)).count() == 1
        assert not three.votes.exists()

    def test_only_what_is_alike_goes_together(self, clerk: Any, bob: User) -> None:
        hold_above(10_000)
        hold_above(50_000, name="larger", sentence="large ones are looked at twice")
        small, large = held(clerk, "1", "2"), held(clerk, "3", "4", minor=60_000)
        assert alike_for(bob) == [small, large]
        with pytest.raises(Refusal) as refused:
            together(bob, choices([small[0], large[0]]))
        assert refused.value.code == "not_alike"
        assert not Vote.objects.exists()
        for wrong in ([], choices(small + small)):
            with pytest.raises(Refusal) as refused:
                together(bob, wrong)
            assert refused.value.code == "too_many"

    def test_what_is_grave_is_neither_offered_nor_taken(self, clerk: Any, bob: User) -> None:
        rule = hold_above(10_000, quorum=2)
        shared = held(clerk, "1", "2")
        assert alike_for(bob) == []
        assert together(bob, choices(shared)) == ["decided_alone", "decided_alone"]
        rule.delete()
        hold_above(10_000, name="alone")
        grave = held(clerk, "3", "4")
        assert alike_for(bob) == [grave]
        Agent.objects.filter(pk=clerk.pk).update(risk_tier=Agent.RiskTier.HIGH)
        assert alike_for(bob) == []
        assert together(bob, choices(grave)) == ["decided_alone", "decided_alone"]
        assert not Vote.objects.exists()

    def test_what_is_not_ones_own_is_refused_in_each(self, clerk: Any, bob: User, mallory: User) -> None:
        hold_above(10_000)
        some = held(clerk, "1", "2")
        assert together(mallory, choices(some)) == ["not_found", "not_found"]
        with pytest.raises(Refusal) as refused:
            together(clerk.user, choices(some))
        assert refused.value.code == "agents_refused"

    def test_over_http_and_on_the_page(self, clerk: Any, bob: User) -> None:
        hold_above(10_000)
        one, two, three, four = held(clerk, "1", "2", "3", "4")
        shapes = {signed_in(bob).get(f"/api/v1/approvals/{it.pk}").json()["shape"] for it in (one, two)}
        assert len(shapes) == 1
        assert None not in shapes
        body = {"verdict": "approve", "reason": WHY}
        body["approvals"] = [{"id": str(it.pk), "digest": it.digest} for it in (one, two)]
        told = signed_in(bob).post("/api/v1/approvals/votes", body, format="json").json()["results"]
        assert [(it["state"], it["code"]) for it in told] == [("approved", ""), ("approved", "")]
        browser = Client()
        browser.force_login(bob)
        address = reverse("inbox-together")
        page = browser.get(address).content.decode()
        assert "RE-1" not in page
        assert page.count('name="pick"') == 2
        assert "checked" not in page.split('name="pick"', 1)[1].split(">", 1)[0]
        barbara = person("barbara", "Approvers")
        vote(barbara, four)
        pick = [f"{three.pk}:{three.digest}", f"{four.pk}:{four.digest}"]
        sent = {"pick": pick, "verdict": "reject", "reason": WHY}
        assert browser.post(address, {**sent, "reason": "x"}).status_code == 422
        assert browser.post(address, {"verdict": "reject", "reason": WHY}).status_code == 422
        page = browser.post(address, sent).content.decode()
        assert "1 of 2 voted on" in page
        assert "already approved" in page
        three.refresh_from_db()
        assert three.state == "rejected"
