"""Probation, promotion, demotion, attestation, terms and certificates: who may, what is refused, what stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents import registry, selectors
from agents.decision.employment import Evidence
from agents.decision.facts import GrantFacts
from agents.models import Agent, AuthorityVersion, Certificate, ChangeRequest, LifecycleTerms, User
from agents.services import attesting, changes, lifecycle, people, probation, sponsors, terms
from audit.models import Event
from audit.vocabulary import Actor, Refusal
from tests.agents.authority import catalogue

pytestmark = pytest.mark.django_db
WHY = "Because the test says so"
SYSTEM = Actor.system("tests")


@pytest.fixture(autouse=True)
def may_post(working: Agent) -> Iterator[None]:
    with catalogue(GrantFacts("grant-1", "erp.supplier_invoice.post", "user", str(working.user_id))):
        yield


@pytest.fixture
def new(draft: Agent) -> Agent:
    """The agent before it starts work."""
    draft.lifecycle = Agent.Lifecycle.DRAFT
    draft.save(update_fields=["lifecycle"])
    return draft


@pytest.fixture
def watched(working: Agent) -> Agent:
    lifecycle.start_probation(working, 30)
    working.save(update_fields=["probation_since", "probation_until"])
    return working


def fresh(agent: Agent) -> Agent:
    return Agent.objects.select_related("sponsor", "deputy", "user").get(pk=agent.pk)


def refused(code: str, verb: Any, **told: Any) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        verb(reason=WHY, **told)
    assert refusal.value.code == code
    return refusal.value


def attest(person: User, agent: Agent, **more: Any) -> Agent:
    told = {"still_needed": True, "digest": selectors.contract_of(agent).digest, "reason": WHY, **more}
    return attesting.attest_agent(actor=person.as_actor(), agent=agent, **told)


class TestProbation:
    def test_an_activated_agent_begins_on_it_and_the_second_person_reads_so(
        self, new: Agent, alice: Any, bob: Any
    ) -> None:
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=new, reason=WHY)
        assert "probation of 30 days" in change.summary
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        agent = fresh(new)
        assert agent.on_probation
        assert agent.probation_until == timezone.now().date() + timedelta(days=30)
        assert agent.attest_by == timezone.now().date() + timedelta(days=180)
        certificate = Certificate.objects.get()
        assert (certificate.kind, certificate.proposer, certificate.signer) == ("activation", alice, bob)
        assert "On probation since" in certificate.text

    def test_stricter_terms_since_the_proposal_count(self, new: Agent, alice: Any, bob: Any) -> None:
        terms.set_terms(actor=SYSTEM, role=None, values={"probation_days": 0}, reason=WHY)
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=new, reason=WHY)
        assert "probation" not in change.summary
        terms.set_terms(actor=alice.as_actor(), role=new.role, values={"probation_days": 10}, reason=WHY)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert fresh(new).on_probation

    def test_the_database_raises_the_version_with_it(self, working: Agent) -> None:
        before = AuthorityVersion.objects.get().version
        Agent.objects.filter(pk=working.pk).update(
            probation_since=timezone.now(), probation_until=timezone.now().date()
        )
        LifecycleTerms.objects.update(attest_grace_days=3)
        assert AuthorityVersion.objects.get().version == before + 2
        assert selectors.authority_snapshot().grace_days == {"": 3}
        with pytest.raises(IntegrityError), transaction.atomic():
            Agent.objects.filter(pk=working.pk).update(probation_until=None)


class TestPromotion:
    def test_two_people_end_it_on_evidence_that_is_kept(self, watched: Agent, alice: Any, bob: Any) -> None:
        change = probation.propose_promotion(actor=alice.as_actor(), agent=watched, reason=WHY)
        assert fresh(watched).on_probation
        assert change.payload["evidence"]["asked"] == 0
        assert any("probation of" in said.lower() for said in change.authority)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason="Its record is good")
        assert not fresh(watched).on_probation
        kept = Certificate.objects.get(kind="promotion")
        assert (kept.proposer, kept.signer) == (alice, bob)
        assert kept.evidence_digest == change.payload["evidence_digest"]
        assert (
            kept.contract_digest == change.payload["contract_digest"] == selectors.contract_of(watched).digest
        )
        assert Event.objects.filter(verb="agents.certificate_issued", code="promotion").count() == 1

    def test_the_evidence_is_what_was_counted_when_it_was_proposed(
        self, watched: Agent, alice: Any, bob: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "_evidence", [lambda *_: Evidence(asked=7, denied=2)])
        change = probation.propose_promotion(actor=alice.as_actor(), agent=watched, reason=WHY)
        assert "Asked for since then: 7, of these refused: 2" in change.summary
        monkeypatch.setattr(registry, "_evidence", [lambda *_: Evidence(asked=9)])
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert Certificate.objects.get(kind="promotion").content["evidence"]["asked"] == 7

    def test_the_proposer_does_not_approve(self, watched: Agent, alice: Any) -> None:
        change = probation.propose_promotion(actor=alice.as_actor(), agent=watched, reason=WHY)
        refused("same_person", changes.apply_change, actor=alice.as_actor(), change_request=change)

    def test_the_sponsor_may_ask_for_it_without_any_other_right(self, watched: Agent, mallory: Any) -> None:
        told = {"actor": mallory.as_actor(), "agent": watched}
        refused("permission_missing", probation.propose_promotion, **told)
        Agent.objects.filter(pk=watched.pk).update(sponsor=mallory)
        assert probation.propose_promotion(**told, reason=WHY).proposer == mallory

    def test_another_contract_is_another_promotion(self, watched: Agent, alice: Any, bob: Any) -> None:
        change = probation.propose_promotion(actor=alice.as_actor(), agent=watched, reason=WHY)
        Agent.objects.filter(pk=watched.pk).update(purpose="Pays everybody.")
        refused("stale_target", changes.apply_change, actor=bob.as_actor(), change_request=change)

    def test_who_is_on_none_is_not_promoted_and_nobody_twice(self, working: Agent, alice: Any) -> None:
        told = {"actor": alice.as_actor(), "agent": working}
        refused("not_on_probation", probation.propose_promotion, **told)
        lifecycle.start_probation(working, 30)
        working.save()
        probation.propose_promotion(**told, reason=WHY)
        refused("already_proposed", probation.propose_promotion, **told)


class TestDemotion:
    @pytest.mark.parametrize(("to", "shown"), [("probation", "On probation"), ("read_only", "May only read")])
    def test_one_person_is_enough_and_at_once(self, working: Agent, dave: Any, to: str, shown: str) -> None:
        agent = probation.demote_agent(actor=dave.as_actor(), agent=working, to=to, reason=WHY)
        assert shown in selectors.state_words(fresh(agent))
        certificate = Certificate.objects.get()
        assert (certificate.kind, certificate.signer) == ("demotion", dave)
        assert WHY in certificate.text

    def test_a_promotion_that_waits_is_stale_then(self, watched: Agent, alice: Any, bob: Any) -> None:
        change = probation.propose_promotion(actor=alice.as_actor(), agent=watched, reason=WHY)
        probation.demote_agent(actor=alice.as_actor(), agent=watched, to="read_only", reason=WHY)
        refused("stale_target", changes.apply_change, actor=bob.as_actor(), change_request=change)

    def test_what_is_refused(self, working: Agent, alice: Any, mallory: Any) -> None:
        told = {"actor": alice.as_actor(), "agent": working}
        refused(
            "permission_missing",
            probation.demote_agent,
            **{**told, "actor": mallory.as_actor()},
            to="read_only",
        )
        refused(
            "agents_refused",
            probation.demote_agent,
            **{**told, "actor": working.user.as_actor()},
            to="read_only",
        )
        refused("demotion_unknown", probation.demote_agent, **told, to="by_contract")
        probation.demote_agent(**told, to="read_only", reason=WHY)
        refused("no_change", probation.demote_agent, **told, to="read_only")
        refused("no_change", probation.demote_agent, **told, to="probation")
        Agent.objects.filter(pk=working.pk).update(lifecycle="draft")
        refused("not_active", probation.demote_agent, **told, to="read_only")


class TestBreach:
    @pytest.fixture(autouse=True)
    def _record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: dict[str, int] = {}
        self.asked: list[Any] = []

        def count(agent: Agent, since: Any) -> dict[str, int]:
            self.asked.append(since)
            return self.counts

        monkeypatch.setattr(registry, "_counts", [count])

    def test_off_by_default(self, working: Agent) -> None:
        self.counts = {"denials": 1000}
        assert probation.demote_on_breach(agent_id=working.pk) is None

    @pytest.mark.parametrize("to", ["probation", "read_only"])
    def test_the_portal_puts_it_back_with_what_was_reached(self, working: Agent, to: str) -> None:
        values = {"denials": 3, "breach_then": to}
        terms.set_terms(actor=SYSTEM, role=working.role, values=values, reason=WHY)
        self.counts = {"denials": 2}
        assert probation.demote_on_breach(agent_id=working.pk) is None
        self.counts = {"denials": 3}
        agent = probation.demote_on_breach(agent_id=working.pk)
        assert agent is not None
        assert (agent.on_probation, agent.autonomy == "read_only") == (to == "probation", to == "read_only")
        certificate = Certificate.objects.get()
        assert certificate.signer is None
        assert "3 calls that an enforced rule refused within 7 days" in certificate.text

    def test_what_put_it_back_once_does_not_do_so_again(self, working: Agent) -> None:
        terms.set_terms(actor=SYSTEM, role=None, values={"limits": 1}, reason=WHY)
        self.counts = {"limits": 1}
        probation.demote_on_breach(agent_id=working.pk)
        assert probation.demote_on_breach(agent_id=working.pk) is None, "it is on probation already"
        Agent.objects.filter(pk=working.pk).update(probation_since=None, probation_until=None)
        probation.demote_on_breach(agent_id=working.pk)
        assert self.asked[-1] >= Certificate.objects.last().issued_at


class TestAttestation:
    def test_the_sponsor_confirms_it_with_its_record_and_the_next_day_is_set(
        self, working: Agent, alice: Any
    ) -> None:
        Agent.objects.filter(pk=working.pk).update(sponsor=alice, attest_by=timezone.now().date())
        agent = attest(alice, working)
        assert agent.attest_by == timezone.now().date() + timedelta(days=180)
        certificate = Certificate.objects.get()
        assert certificate.kind == "attestation"
        assert "It still needs all that it may do." in certificate.text
        assert certificate.evidence_digest

    def test_nobody_else_not_even_a_superuser(self, working: Agent, admin_user: Any, bob: Any) -> None:
        Agent.objects.filter(pk=working.pk).update(deputy=bob)
        agent = fresh(working)
        for person in (admin_user, bob):
            with pytest.raises(Refusal) as refusal:
                attest(person, agent)
            assert refusal.value.code == "not_the_sponsor"
        with pytest.raises(Refusal) as refusal:
            attest(agent.user, agent)
        assert refusal.value.code == "agents_refused"
        told = {"still_needed": True, "digest": "", "agent": agent}
        refused("person_required", attesting.attest_agent, actor=SYSTEM, **told)

    def test_the_deputy_does_while_the_sponsor_is_gone(self, working: Agent, bob: Any) -> None:
        Agent.objects.filter(pk=working.pk).update(deputy=bob)
        User.objects.filter(pk=working.sponsor_id).update(is_active=False)
        assert attest(bob, fresh(working)).attest_by is not None

    def test_one_click_is_not_enough(self, working: Agent) -> None:
        sponsor = working.sponsor
        for more, code in (
            ({"still_needed": False}, "not_stated"),
            ({"digest": "0" * 64}, "contract_changed"),
            ({"reason": "ok"}, "reason_missing"),
            ({"take_away": ["erp.party.create"]}, "not_granted_itself"),
        ):
            with pytest.raises(Refusal) as refusal:
                attest(sponsor, working, **more)
            assert refusal.value.code == code
        assert not Certificate.objects.exists()

    def test_what_it_needs_no_longer_is_taken_away(
        self, working: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken: list[Any] = []
        monkeypatch.setattr(registry, "_withdraw", [lambda *told: taken.append(told[2]) or 1])
        attest(working.sponsor, working, take_away=["erp.supplier_invoice.post"])
        assert taken == [["erp.supplier_invoice.post"]]
        assert "Taken away: erp.supplier_invoice.post." in Certificate.objects.get().text

    def test_overdue_past_its_grace_it_may_only_read_by_itself(self, working: Agent) -> None:
        today = timezone.now().date()
        Agent.objects.filter(pk=working.pk).update(attest_by=today - timedelta(days=7))
        assert not attesting.drop_overdue(agent_id=working.pk), "within the grace"
        Agent.objects.filter(pk=working.pk).update(attest_by=today - timedelta(days=8))
        assert attesting.drop_overdue(agent_id=working.pk)
        assert not attesting.drop_overdue(agent_id=working.pk), "once is enough"
        assert fresh(working).autonomy == Agent.Autonomy.READ_ONLY

    def test_confirming_it_late_gives_nothing_back(self, working: Agent) -> None:
        """The clock may be late as well: what it had not done yet is done by the confirmation."""
        late = timezone.now().date() - timedelta(days=8)
        Agent.objects.filter(pk=working.pk).update(attest_by=late)
        agent = attest(working.sponsor, fresh(working))
        assert agent.attest_by == timezone.now().date() + timedelta(days=180)
        assert fresh(working).autonomy == Agent.Autonomy.READ_ONLY
        change = lifecycle.set_autonomy(
            actor=working.sponsor.as_actor(), agent=working, autonomy="by_contract", reason=WHY
        )
        assert isinstance(change, ChangeRequest)


class TestSponsorLeaves:
    def test_in_the_same_transaction_its_agents_may_only_read(
        self, working: Agent, admin_user: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []
        monkeypatch.setattr(registry, "_news", [lambda _actor, _agent, news, _said: told.append(news)])
        people.update_person(
            actor=admin_user.as_actor(), person=working.sponsor, changes={"is_active": False}, reason=WHY
        )
        assert fresh(working).autonomy == Agent.Autonomy.READ_ONLY
        assert told == ["dropped", "sponsor_left"]
        assert Certificate.objects.get().kind == "demotion"

    def test_when_the_account_stays_nothing_falls(self, working: Agent, admin_user: Any) -> None:
        people.update_person(
            actor=admin_user.as_actor(), person=working.sponsor, changes={"first_name": "Al"}, reason=WHY
        )
        assert not Certificate.objects.exists()

    def test_when_it_fails_the_account_stays_open(
        self, working: Agent, admin_user: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError("nobody could be told")

        monkeypatch.setattr(registry, "_news", [broken])
        with pytest.raises(RuntimeError):
            people.update_person(
                actor=admin_user.as_actor(), person=working.sponsor, changes={"is_active": False}, reason=WHY
            )
        assert User.objects.get(pk=working.sponsor_id).is_active
        assert fresh(working).autonomy != Agent.Autonomy.READ_ONLY

    def test_the_deputy_takes_over_with_a_second_person(self, working: Agent, bob: Any, mallory: Any) -> None:
        Agent.objects.filter(pk=working.pk).update(deputy=mallory)
        told = {"actor": mallory.as_actor(), "agent": fresh(working)}
        refused("sponsor_present", sponsors.propose_takeover, **told)
        User.objects.filter(pk=working.sponsor_id).update(is_active=False)
        change = sponsors.propose_takeover(**told, reason=WHY)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        agent = fresh(working)
        assert (agent.sponsor, agent.deputy) == (mallory, None)

    def test_nobody_else_without_the_right(self, working: Agent, mallory: Any, dave: Any) -> None:
        User.objects.filter(pk=working.sponsor_id).update(is_active=False)
        for person in (mallory, dave):
            told = {"actor": person.as_actor(), "agent": fresh(working)}
            refused("permission_missing", sponsors.propose_takeover, **told)
        working.department.manager = mallory
        working.department.save()
        assert selectors.visible_agents(mallory).filter(pk=working.pk).exists(), "who is asked must see it"
        assert selectors.who_steps_in(fresh(working)) == [mallory]
        sponsors.propose_takeover(actor=mallory.as_actor(), agent=fresh(working), reason=WHY)


class TestTerms:
    def test_stricter_at_once_looser_by_two(self, working: Agent, alice: Any, bob: Any) -> None:
        actor = alice.as_actor()
        row = terms.set_terms(actor=actor, role=None, values={"denials": 5}, reason=WHY)
        assert isinstance(row, LifecycleTerms)
        change = terms.set_terms(actor=actor, role=None, values={"denials": 9, "limits": 2}, reason=WHY)
        assert isinstance(change, ChangeRequest)
        assert "refused calls that put an agent back 9 instead of 5" in change.summary
        assert selectors.terms_for(working.role_id).denials == 5
        refused("same_person", changes.apply_change, actor=actor, change_request=change)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert selectors.terms_for(working.role_id).denials == 9

    def test_a_role_may_have_its_own(self, working: Agent, alice: Any) -> None:
        terms.set_terms(actor=alice.as_actor(), role=working.role, values={"denials": 1}, reason=WHY)
        assert selectors.terms_for(working.role_id).denials == 1
        assert selectors.terms_for(None).denials == 0
        assert selectors.terms_of_agents([working])[working.pk].denials == 1

    def test_terms_that_moved_on_make_a_proposal_stale(self, alice: Any, bob: Any) -> None:
        actor = alice.as_actor()
        change = terms.set_terms(actor=actor, role=None, values={"probation_days": 1}, reason=WHY)
        assert isinstance(change, ChangeRequest)
        terms.set_terms(actor=actor, role=None, values={"denials": 1}, reason=WHY)
        refused("stale_target", changes.apply_change, actor=bob.as_actor(), change_request=change)

    def test_what_is_refused(self, alice: Any, dave: Any) -> None:
        told = {"actor": alice.as_actor(), "role": None}
        refused("permission_missing", terms.set_terms, actor=dave.as_actor(), role=None, values={"denials": 1})
        refused("field_unknown", terms.set_terms, **told, values={"anything": 1})
        refused("no_change", terms.set_terms, **told, values={"probation_days": 30})
        for values in ({"window_days": 0}, {"probation_days": -1}, {"denials": 10**9}, {"breach_then": "free"}):
            with pytest.raises(ValidationError):
                terms.set_terms(**told, values=values, reason=WHY)


class TestCertificates:
    def test_the_database_keeps_them(self, working: Agent, alice: Any) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=working, to="read_only", reason=WHY)
        kept = Certificate.objects.get()
        for sql in ("UPDATE agents_certificate SET reason = 'x'", "DELETE FROM agents_certificate"):
            with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql)
        agent_signs = {"signer_id": working.user_id, "signer_label": "Robo", "reason": WHY}
        with pytest.raises(IntegrityError), transaction.atomic():
            Certificate.objects.create(
                agent=working, kind="promotion", content={}, text="x", digest=kept.digest, **agent_signs
            )

    def test_the_event_holds_its_digest(self, working: Agent, alice: Any) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=working, to="read_only", reason=WHY)
        event = Event.objects.get(verb="agents.certificate_issued")
        assert event.agent_id == str(working.pk)
        assert Certificate.objects.get().digest in str(event.payload.data)

    def test_who_sees_the_agent_sees_them(self, working: Agent, alice: Any, mallory: Any) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=working, to="read_only", reason=WHY)
        assert selectors.visible_certificates(alice).count() == 1
        assert selectors.visible_certificates(working.user).count() == 1
        assert not selectors.visible_certificates(mallory).exists()

    def test_its_life_is_told_in_order(self, new: Agent, alice: Any, bob: Any) -> None:
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=new, reason=WHY)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        probation.demote_agent(actor=alice.as_actor(), agent=new, to="read_only", reason=WHY)
        told = [moment.title for moment in selectors.timeline_of(fresh(new))]
        assert told == ["Draft", "Activation", "Demotion"]


def test_the_managers_are_asked_when_nobody_stands_in(working: Agent) -> None:
    assert Group.objects.filter(name="Managers").exists()
    Agent.objects.filter(pk=working.pk).update(deputy=None)
    assert selectors.who_steps_in(fresh(working)) == []
