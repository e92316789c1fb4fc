"""Sign in again to approve: asked for by a rule or a setting, shown in one session, gone around by no door."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client

from agents.models import User
from agents.services.stepping_up import KEY
from agents.vocabulary import StepUp
from audit.models import Event
from audit.selectors import database_now
from audit.vocabulary import Refusal
from tests.company import PASSWORD, person
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_approvals import vote
from workflows.approvals import services
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import company_day

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]
API = "/api/v1/step-up"
WHY = "looks right to me"


@pytest.fixture
def approval(clerk: Any, bob: User) -> Approval:
    hold_above(10_000, step_up=True)
    return ask(clerk, minor=20_000).approval


@pytest.fixture
def portal(bob: User) -> Client:
    return portal_of(bob)


def portal_of(user: User) -> Client:
    client = Client()
    assert client.login(username=user.username, password=PASSWORD)
    return client


def confirm(client: Client, password: str = PASSWORD) -> Any:
    return client.post(API, {"password": password}, content_type="application/json")


def by_api(client: Client, approval: Approval, **more: Any) -> tuple[int, str]:
    body = {"verdict": "approve", "reason": WHY, "digest": approval.digest, **more}
    answer = client.post(f"/api/v1/approvals/{approval.pk}/votes", body, content_type="application/json")
    return answer.status_code, answer.json().get("code", "")


def by_page(client: Client, approval: Approval) -> int:
    body = {"verdict": "approve", "reason": WHY, "digest": approval.digest}
    return client.post(f"/inbox/{approval.pk}/vote/", body).status_code


def proof(user: User, minutes: float = 0) -> StepUp:
    return StepUp(str(user.pk), "password", database_now() - timedelta(minutes=minutes))


def state(approval: Approval) -> str:
    approval.refresh_from_db()
    return approval.state


def test_a_caller_that_forgets_the_proof_is_refused(approval: Approval, bob: User) -> None:
    with pytest.raises(Refusal) as refused:
        vote(bob, approval)
    assert refused.value.code == "step_up_required"
    assert "/confirm/" in refused.value.next_step
    assert API in refused.value.next_step
    assert Event.objects.get(verb="approvals.vote_refused").code == "step_up_required"
    assert state(approval) == "pending"


@pytest.mark.parametrize("minutes", [5.1, 600, -1])
def test_a_proof_that_is_old_or_of_the_future_is_none(approval: Approval, bob: User, minutes: float) -> None:
    with pytest.raises(Refusal) as refused:
        vote(bob, approval, step_up=proof(bob, minutes))
    assert refused.value.code == "step_up_required"


def test_a_proof_of_somebody_else_is_none(approval: Approval, bob: User, alice: User) -> None:
    with pytest.raises(Refusal) as refused:
        vote(bob, approval, step_up=proof(alice))
    assert refused.value.code == "step_up_required"


def test_who_stands_in_confirms_themselves(approval: Approval, bob: User, carol: User) -> None:
    today = company_day()
    services.give_delegation(
        actor=bob.as_actor(), delegate=carol, first_day=today, last_day=today, reason="on holiday"
    )
    for of in (None, proof(bob)):
        with pytest.raises(Refusal) as refused:
            vote(carol, approval, on_behalf_of=str(bob.pk), step_up=of)
        assert refused.value.code == "step_up_required"
    vote(carol, approval, on_behalf_of=str(bob.pk), step_up=proof(carol))
    assert state(approval) == "approved"


def test_to_reject_needs_no_proof_and_keeps_none(approval: Approval, bob: User) -> None:
    vote(bob, approval, "reject", step_up=proof(bob))
    assert state(approval) == "rejected"
    assert approval.votes.get().step_up_at is None


def test_a_vote_records_when_and_how_it_was_shown(approval: Approval, portal: Client) -> None:
    assert by_api(portal, approval) == (403, "step_up_required")
    shown = confirm(portal)
    assert (shown.status_code, shown.json()["method"]) == (200, "password")
    assert by_api(portal, approval)[0] == 200
    cast = approval.votes.get()
    assert cast.step_up_method == "password"
    assert cast.step_up_at is not None
    event = Event.objects.get(verb="approvals.vote_cast")
    assert event.payload.data["step_up"]["method"] == "password"
    assert Event.objects.filter(verb="agents.step_up_done").count() == 1


def test_it_counts_in_its_own_session_only(approval: Approval, portal: Client, bob: User) -> None:
    confirm(portal)
    other = portal_of(bob)
    assert by_api(other, approval) == (403, "step_up_required")
    # Not even where it is copied to another session.
    copied = other.session
    copied[KEY] = portal.session[KEY]
    copied.save()
    assert other.get(API).json()["confirmed_at"] is None
    assert by_api(other, approval) == (403, "step_up_required")


def test_signing_out_and_a_new_password_end_it(approval: Approval, portal: Client, bob: User) -> None:
    confirm(portal)
    portal.post("/admin/logout/")
    assert portal.login(username="bob", password=PASSWORD)
    assert by_api(portal, approval) == (403, "step_up_required")
    confirm(portal)
    kept = portal.session[KEY]
    bob.set_password("another-long-password")
    bob.save()
    portal.force_login(bob)
    session = portal.session
    session[KEY] = {**kept, "seal": f"{session.session_key} {kept['seal'].split()[1]}"}
    session.save()
    assert by_api(portal, approval) == (403, "step_up_required")


@pytest.mark.parametrize("kept", ["x", {}, {"seal": ""}, {"user": 1, "seal": None}, []])
def test_rubbish_in_the_session_is_no_proof(approval: Approval, portal: Client, kept: Any) -> None:
    session = portal.session
    session[KEY] = kept
    session.save()
    assert by_api(portal, approval) == (403, "step_up_required")


def test_the_page_asks_first_and_comes_back(approval: Approval, portal: Client) -> None:
    shown = portal.get(f"/inbox/{approval.pk}/").content.decode()
    link = f"/confirm/?next=%2Finbox%2F{approval.pk}%2F"
    assert 'value="confirm"' in shown
    assert 'value="approve"' not in shown
    assert 'value="reject"' in shown
    assert by_page(portal, approval) == 403
    assert portal.get(link).status_code == 200
    wrong = portal.post("/confirm/", {"password": "guess", "next": f"/inbox/{approval.pk}/"})
    assert wrong.status_code == 403
    assert "this is not your password" in wrong.content.decode()
    assert "guess" not in wrong.content.decode()
    back = portal.post("/confirm/", {"password": PASSWORD, "next": f"/inbox/{approval.pk}/"})
    assert (back.status_code, back["Location"]) == (302, f"/inbox/{approval.pk}/")
    shown = portal.get(f"/inbox/{approval.pk}/").content.decode()
    assert "You confirmed that it is you" in shown
    assert 'value="approve"' in shown
    assert by_page(portal, approval) == 302
    assert state(approval) == "approved"


def test_what_was_typed_is_there_again_after_confirming(approval: Approval, portal: Client) -> None:
    address = f"/inbox/{approval.pk}/"
    typed = {"verdict": "confirm", "reason": "<b>It</b> matches the order"}
    away = portal.post(f"{address}vote/", typed)
    assert (away.status_code, away["Location"]) == (302, f"/confirm/?next=%2Finbox%2F{approval.pk}%2F")
    assert (
        portal.post(f"{address}vote/", typed, headers={"HX-Request": "true"})["HX-Redirect"] == away["Location"]
    )
    assert not Vote.objects.exists()
    portal.post("/confirm/", {"password": PASSWORD, "next": address})
    assert "&lt;b&gt;It&lt;/b&gt; matches the order</textarea>" in portal.get(address).content.decode()
    assert by_page(portal, approval) == 302
    assert "matches the order" not in str(dict(portal.session))


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "x" * 900,
        "\t//e.x",
    ],
)
def test_it_goes_back_nowhere_else(portal: Client, address: str) -> None:
    assert portal.post("/confirm/", {"password": PASSWORD, "next": address})["Location"] == "/inbox/"
    assert "evil.example" not in portal.get("/confirm/", {"next": address}).content.decode()


def test_guessing_is_slowed_down_with_the_sign_in_and_recorded(
    approval: Approval, portal: Client, bob: User
) -> None:
    cache.clear()
    for number in range(10):
        assert confirm(portal, f"guess {number}").json()["code"] == "step_up_failed"
    limited = confirm(portal)
    assert (limited.status_code, limited.json()["code"]) == (429, "too_many_failures")
    assert portal.post("/confirm/", {"password": PASSWORD}).status_code == 429
    form = {"username": "bob", "password": PASSWORD}
    assert "Wait a minute" in Client().post("/admin/login/", form).content.decode()
    failed = Event.objects.filter(verb="agents.step_up_refused")
    assert failed.count() == 10
    assert not any("guess" in f"{one.sentence} {one.reason}" for one in failed)
    assert by_api(portal, approval) == (403, "step_up_required")
    cache.clear()


@pytest.mark.parametrize("password", ["", " ", "x" * 5000, "a\x00b", "ü" * 50])
def test_hostile_passwords_are_refused(portal: Client, password: str) -> None:
    assert confirm(portal, password).status_code in (400, 403, 422)
    assert portal.post("/confirm/", {"password": password}).status_code in (400, 403)


def test_an_unknown_method_is_refused_with_those_there_are(portal: Client) -> None:
    answer = portal.post(API, {"method": "<b>", "password": "x"}, content_type="application/json").json()
    assert answer["code"] == "step_up_method_unknown"
    assert "password" in answer["next"]


def test_several_at_once_honour_it(clerk: Any, bob: User, portal: Client) -> None:
    hold_above(10_000, step_up=True)
    some = [ask(clerk, number=f"RE-{number}", minor=20_000).approval for number in (1, 2)]
    body = {
        "verdict": "approve",
        "reason": WHY,
        "approvals": [{"id": str(one.pk), "digest": one.digest} for one in some],
    }
    url = "/api/v1/approvals/votes"
    told = portal.post(url, body, content_type="application/json").json()["results"]
    assert [one["code"] for one in told] == ["step_up_required"] * 2
    picked = {"verdict": "approve", "reason": WHY, "pick": [f"{one.pk}:{one.digest}" for one in some]}
    page = portal.post("/inbox/together/", picked).content.decode()
    assert "Confirm it is you" in page
    assert not Vote.objects.exists()
    confirm(portal)
    told = portal.post(url, body, content_type="application/json").json()["results"]
    assert [one["state"] for one in told] == ["approved"] * 2


def test_the_database_holds_it_too(approval: Approval, bob: User) -> None:
    for at in (None, database_now() - timedelta(hours=2), database_now() + timedelta(hours=1)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Vote.objects.create(
                approval=approval,
                user=bob,
                verdict="approve",
                reason=WHY,
                digest=approval.digest,
                step_up_at=at,
                step_up_method="password" if at else "",
            )
    with connection.cursor() as cursor, pytest.raises(IntegrityError), transaction.atomic():
        cursor.execute("UPDATE approvals_approval SET step_up = false WHERE id = %s", [approval.pk])


def test_a_setting_asks_for_it_by_effect(clerk: Any, bob: User, settings: Any) -> None:
    settings.STEP_UP_EFFECTS = ["financial"]
    hold_above(10_000)
    approval = ask(clerk, minor=20_000).approval
    assert approval.step_up
    with pytest.raises(Refusal) as refused:
        vote(bob, approval)
    assert refused.value.code == "step_up_required"


def test_one_rule_that_asks_for_it_is_enough(clerk: Any, bob: User) -> None:
    hold_above(10_000, name="plain")
    hold_above(10_000, name="careful", verdict="none", step_up=True)
    assert ask(clerk, minor=20_000).approval.step_up


def test_agents_have_nothing_to_confirm(clerk: Any) -> None:
    from tests.workflows.conftest import signed_in

    assert signed_in(clerk.user).post(API, {"password": "x"}, format="json").status_code == 403


def test_people_of_another_group_confirm_and_still_do_not_decide(
    approval: Approval, seeded_company: None
) -> None:
    lena = person("lena", "Legal")
    with pytest.raises(Refusal) as refused:
        vote(lena, approval, step_up=proof(lena))
    assert refused.value.code == "not_an_approver"
    assert Group.objects.filter(name="Legal").exists()
