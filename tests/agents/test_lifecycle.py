"""An agent's life: who may move it on, what each step leaves behind, and that no agent moves any."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from agents.decision.facts import GrantFacts
from agents.models import AccessToken, Agent, ChangeRequest, ClientSecret, Department, Role, User
from agents.services import changes, credentials, lifecycle, stops
from audit.models import Event
from audit.vocabulary import Actor, Ref, Refusal
from tests.agents.authority import catalogue

WHY = "Because the test says so"

VERBS: list[tuple[Any, dict[str, Any]]] = [
    (lifecycle.update_agent, {"changes": {"purpose": "Other."}}),
    (lifecycle.activate_agent, {}),
    (lifecycle.pause_agent, {}),
    (lifecycle.suspend_agent, {}),
    (lifecycle.lift_brake, {}),
    (lifecycle.retire_agent, {}),
    (lifecycle.set_autonomy, {"autonomy": "read_only"}),
    (lifecycle.propose_reassignment, {"changes_wanted": {"risk_tier": "low"}}),
    (credentials.issue_client_secret, {}),
    (credentials.rotate_client_secret, {}),
    (credentials.revoke_client_secrets, {}),
    (credentials.revoke_tokens, {}),
]
named = pytest.mark.parametrize(("verb", "more"), VERBS, ids=[verb.__name__ for verb, _ in VERBS])


def registered(actor: Actor, agent: Agent, **more: Any) -> Agent:
    """Register one more agent in the place of ``agent``."""
    values = {
        "name": "Next",
        "code": "next",
        "purpose": "More.",
        "sponsor": agent.sponsor,
        "reason": WHY,
        **more,
    }
    return lifecycle.register_agent(actor=actor, department=agent.department, role=agent.role, **values)


class TestWhoMay:
    @named
    def test_an_agent_never(self, working: Agent, verb: Any, more: dict[str, Any]) -> None:
        with pytest.raises(Refusal) as refused:
            verb(actor=working.user.as_actor(), agent=working, reason=WHY, **more)
        assert refused.value.code == "agents_refused"

    @named
    def test_an_agent_that_calls_itself_a_person_neither(
        self, working: Agent, verb: Any, more: dict[str, Any]
    ) -> None:
        real = working.user.as_actor()
        with pytest.raises(Refusal) as refused:
            verb(actor=Actor("person", real.id, real.label), agent=working, reason=WHY, **more)  # type: ignore[arg-type]
        assert refused.value.code == "agents_refused"

    @named
    def test_nobody_without_the_right(
        self, mallory: Any, carol: Any, working: Agent, verb: Any, more: dict[str, Any]
    ) -> None:
        for person in (mallory, carol):
            with pytest.raises(Refusal) as refused:
                verb(actor=person.as_actor(), agent=working, reason=WHY, **more)
            assert refused.value.code == "permission_missing"
            assert refused.value.next_step

    @named
    def test_nobody_whose_account_is_closed(
        self, alice: Any, working: Agent, verb: Any, more: dict[str, Any]
    ) -> None:
        alice.is_active = False
        alice.save(update_fields=["is_active"])
        with pytest.raises(Refusal) as refused:
            verb(actor=alice.as_actor(), agent=working, reason=WHY, **more)
        assert refused.value.code == "not_signed_in"

    @named
    def test_nobody_without_a_reason(self, alice: Any, working: Agent, verb: Any, more: dict[str, Any]) -> None:
        for reason in ("", "    no    "):
            with pytest.raises(Refusal) as refused:
                verb(actor=alice.as_actor(), agent=working, reason=reason, **more)
            assert refused.value.code == "reason_missing"

    def test_an_agent_registers_no_agent(self, working: Agent) -> None:
        with pytest.raises(Refusal) as refused:
            registered(working.user.as_actor(), working)
        assert refused.value.code == "agents_refused"

    def test_an_operator_stops_and_does_not_free(self, dave: Any, working: Agent) -> None:
        lifecycle.pause_agent(actor=dave.as_actor(), agent=working, reason=WHY)
        lifecycle.suspend_agent(actor=dave.as_actor(), agent=working, reason=WHY)
        for verb in (lifecycle.lift_brake, lifecycle.retire_agent, credentials.issue_client_secret):
            with pytest.raises(Refusal):
                verb(actor=dave.as_actor(), agent=working, reason=WHY)

    @pytest.mark.parametrize("place", ["sponsor", "deputy"])
    def test_whoever_answers_for_it_stops_it_and_does_not_free_it(
        self, mallory: Any, working: Agent, place: str
    ) -> None:
        setattr(working, place, mallory)
        working.save(update_fields=[place])
        lifecycle.pause_agent(actor=mallory.as_actor(), agent=working, reason=WHY)
        with pytest.raises(Refusal):
            lifecycle.lift_brake(actor=mallory.as_actor(), agent=working, reason=WHY)


class TestRegistering:
    def test_it_begins_as_a_draft_without_a_password(self, draft: Agent, bookkeeper: Role) -> None:
        assert (draft.lifecycle, draft.autonomy, draft.brake) == ("draft", "hold_writes", "none")
        assert draft.user.kind == User.Kind.AGENT
        assert not draft.user.has_usable_password()
        assert list(draft.user.groups.all()) == [bookkeeper.group]
        assert not ClientSecret.objects.exists()

    def test_who_and_why_are_kept_also_without_a_request(self, alice: Any, draft: Agent) -> None:
        for thing in (draft, draft.user, draft.oauth_application):
            record = thing.history.first()
            assert (record.history_user, record.history_change_reason) == (alice, "The team needs a bookkeeper")
        event = Event.objects.get(verb="agents.agent_registered")
        assert (event.actor_id, event.agent_id, event.reason) == (
            str(alice.pk),
            str(draft.pk),
            "The team needs a bookkeeper",
        )

    def test_a_process_of_the_portal_leaves_no_person_in_the_history(self, working: Agent) -> None:
        lifecycle.pause_agent(actor=Actor.system("watchdog"), agent=working, reason=WHY)
        assert working.history.first().history_user is None
        assert Event.objects.get(verb="agents.agent_paused").actor_label == "watchdog"

    def test_only_an_active_person_answers_for_it(self, alice: Any, bob: Any, working: Agent) -> None:
        bob.is_active = False
        bob.save(update_fields=["is_active"])
        for sponsor in (working.user, bob):
            with pytest.raises(Refusal) as refused:
                registered(alice.as_actor(), working, sponsor=sponsor)
            assert refused.value.code == "not_a_person"

    def test_a_code_is_taken_once_and_nothing_is_left_of_the_second_try(
        self, alice: Any, working: Agent
    ) -> None:
        with pytest.raises(ValidationError), transaction.atomic():
            registered(alice.as_actor(), working, code=working.code)
        assert Agent.objects.count() == 1
        assert User.objects.filter(kind="agent").count() == 1


class TestChangingTheFile:
    def test_a_draft_changes_freely_and_its_groups_follow_its_role(self, alice: Any, draft: Agent) -> None:
        other = Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))
        agent = lifecycle.update_agent(
            actor=alice.as_actor(), agent=draft, changes={"role": other, "risk_tier": "high"}, reason=WHY
        )
        assert (agent.role, agent.risk_tier) == (other, "high")
        assert list(agent.user.groups.all()) == [other.group]

    @pytest.mark.parametrize(
        "field", [*lifecycle.GOVERNED, "lifecycle", "autonomy", "brake", "code", "user_id"]
    )
    def test_what_gives_authority_is_closed_once_it_works(self, alice: Any, working: Agent, field: str) -> None:
        with pytest.raises(Refusal) as refused:
            lifecycle.update_agent(
                actor=alice.as_actor(), agent=working, changes={field: getattr(working, field)}, reason=WHY
            )
        assert refused.value.code == "field_governed"

    def test_its_new_name_is_the_name_in_the_ledger(self, alice: Any, working: Agent) -> None:
        lifecycle.update_agent(actor=alice.as_actor(), agent=working, changes={"name": "Robo II"}, reason=WHY)
        working.user.refresh_from_db()
        assert working.user.as_actor().label == "Robo II"

    def test_another_place_takes_two_people(
        self, alice: Any, bob: Any, mallory: Any, working: Agent, finance: Department
    ) -> None:
        sales = Department.objects.create(code="sales", name="Sales")
        role = Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))
        wanted = {"department": sales, "sponsor": bob, "role": role, "attest_by": date(2027, 1, 1)}
        change = lifecycle.propose_reassignment(
            actor=alice.as_actor(), agent=working, changes_wanted=wanted, reason=WHY
        )
        working.refresh_from_db()
        assert working.department == finance
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        working.refresh_from_db()
        assert {field: getattr(working, field) for field in wanted} == wanted
        assert list(working.user.groups.all()) == [role.group]


class TestActivating:
    def test_it_takes_another_person(self, alice: Any, bob: Any, draft: Agent) -> None:
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=draft, reason=WHY)
        for actor in (alice.as_actor(), draft.user.as_actor(), Actor.system("cron")):
            with pytest.raises(Refusal):
                changes.apply_change(actor=actor, change_request=change, reason=WHY)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason="I read its file")
        draft.refresh_from_db()
        assert draft.lifecycle == "active"
        assert draft.history.first().history_user == bob

    def test_it_is_bound_to_the_grants_the_proposer_saw(self, alice: Any, bob: Any, draft: Agent) -> None:
        first = GrantFacts("1", "erp.party.create", "user", str(draft.user_id))
        later = GrantFacts("2", "erp.supplier_invoice.post", "group", str(draft.role.group_id))
        with catalogue(first):
            change = lifecycle.activate_agent(actor=alice.as_actor(), agent=draft, reason=WHY)
        assert change.payload["operations"] == ["erp.party.create"]
        with catalogue(first, later), pytest.raises(Refusal) as refused:
            changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert refused.value.code == "stale_target"
        with catalogue(first):
            changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)

    def test_it_is_bound_to_the_file_the_proposer_saw(self, alice: Any, bob: Any, draft: Agent) -> None:
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=draft, reason=WHY)
        lifecycle.set_autonomy(actor=alice.as_actor(), agent=draft, autonomy="by_contract", reason=WHY)
        with pytest.raises(Refusal) as refused:
            changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert refused.value.code == "stale_target"

    def test_only_a_draft_and_only_with_somebody_who_answers(
        self, alice: Any, bob: Any, working: Agent
    ) -> None:
        with pytest.raises(Refusal) as refused:
            lifecycle.activate_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        assert refused.value.code == "not_a_draft"
        agent = registered(alice.as_actor(), working, sponsor=bob)
        bob.is_active = False
        bob.save(update_fields=["is_active"])
        with pytest.raises(Refusal) as refused:
            lifecycle.activate_agent(actor=alice.as_actor(), agent=agent, reason=WHY)
        assert refused.value.code == "not_a_person"


class TestBrakes:
    def test_a_pause_keeps_tokens_and_a_suspension_does_not(
        self, alice: Any, working: Agent, credential: credentials.IssuedSecret
    ) -> None:
        secret = ClientSecret.objects.get()
        AccessToken.objects.create(
            user=working.user,
            application=secret.application,
            secret=secret,
            token="",
            token_checksum="x",
            expires=secret.expires_at,
        )
        lifecycle.pause_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        assert AccessToken.objects.exists()
        lifecycle.suspend_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        assert not AccessToken.objects.exists()
        assert ClientSecret.objects.get().revoked_at is None

    def test_a_weaker_brake_does_not_replace_a_stronger_one(self, alice: Any, working: Agent) -> None:
        lifecycle.suspend_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        for verb in (lifecycle.pause_agent, lifecycle.suspend_agent):
            with pytest.raises(Refusal) as refused:
                verb(actor=alice.as_actor(), agent=working, reason=WHY)
            assert refused.value.code == "brake_already_on"

    def test_lifting_changes_nothing_else(self, alice: Any, working: Agent) -> None:
        lifecycle.suspend_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        agent = lifecycle.lift_brake(actor=alice.as_actor(), agent=working, reason=WHY)
        assert (agent.brake, agent.lifecycle, agent.autonomy) == ("none", "active", "hold_writes")
        with pytest.raises(Refusal) as refused:
            lifecycle.lift_brake(actor=alice.as_actor(), agent=working, reason=WHY)
        assert refused.value.code == "no_brake"

    def test_a_pause_waits_for_the_dispatch_under_way_and_none_commits_after_it(
        self, live_db: Any, alice: Any
    ) -> None:
        department = Department.objects.create(code="finance", name="Finance")
        role = Role.objects.create(code="clerk", name="Clerk", group=Group.objects.create(name="Role: clerk"))
        agent = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Robo",
            code="robo",
            purpose="Posts.",
            sponsor=alice,
            department=department,
            role=role,
            reason=WHY,
        )
        Agent.objects.filter(pk=agent.pk).update(lifecycle="active")
        paused = threading.Event()

        def pause() -> None:
            try:
                lifecycle.pause_agent(actor=alice.as_actor(), agent=agent, reason=WHY)
                paused.set()
            finally:
                connection.close()

        thread = threading.Thread(target=pause)
        with transaction.atomic():
            stops.lock_and_check([Ref("agent", str(agent.pk))])
            thread.start()
            assert not paused.wait(0.5)
        thread.join(10)
        assert paused.is_set()
        with pytest.raises(Refusal) as refused, transaction.atomic():
            stops.lock_and_check([Ref("agent", str(agent.pk))])
        assert refused.value.code == "agent_paused"


class TestRetiring:
    def test_everything_is_closed_for_good(
        self, alice: Any, working: Agent, credential: credentials.IssuedSecret
    ) -> None:
        agent = lifecycle.retire_agent(actor=alice.as_actor(), agent=working, reason=WHY)
        assert agent.lifecycle == "retired"
        assert not User.objects.get(pk=agent.user_id).is_active
        assert ClientSecret.objects.get().revoked_at is not None
        steps: list[tuple[Any, dict[str, Any]]] = [
            (lifecycle.retire_agent, {}),
            (lifecycle.activate_agent, {}),
            (lifecycle.pause_agent, {}),
            (lifecycle.set_autonomy, {"autonomy": "read_only"}),
            (credentials.issue_client_secret, {}),
        ]
        for verb, more in steps:
            with pytest.raises(Refusal):
                verb(actor=alice.as_actor(), agent=agent, reason=WHY, **more)

    def test_a_waiting_change_does_not_bring_it_back(self, alice: Any, bob: Any, draft: Agent) -> None:
        change = lifecycle.activate_agent(actor=alice.as_actor(), agent=draft, reason=WHY)
        lifecycle.retire_agent(actor=alice.as_actor(), agent=draft, reason=WHY)
        with pytest.raises(Refusal):
            changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        draft.refresh_from_db()
        assert draft.lifecycle == "retired"


class TestAutonomy:
    def test_less_at_once_and_more_by_two_people(self, alice: Any, bob: Any, working: Agent) -> None:
        assert (
            lifecycle.set_autonomy(actor=alice.as_actor(), agent=working, autonomy="read_only", reason=WHY)
            is None
        )
        change = lifecycle.set_autonomy(
            actor=alice.as_actor(), agent=working, autonomy="by_contract", reason="It earned it"
        )
        assert isinstance(change, ChangeRequest)
        working.refresh_from_db()
        assert working.autonomy == "read_only"
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        working.refresh_from_db()
        assert working.autonomy == "by_contract"
        assert working.history.first().history_change_reason == "It earned it"

    def test_a_step_down_meanwhile_voids_a_waiting_step_up(self, alice: Any, bob: Any, working: Agent) -> None:
        change = lifecycle.set_autonomy(
            actor=alice.as_actor(), agent=working, autonomy="by_contract", reason=WHY
        )
        assert change is not None
        lifecycle.set_autonomy(actor=alice.as_actor(), agent=working, autonomy="read_only", reason=WHY)
        with pytest.raises(Refusal) as refused:
            changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert refused.value.code == "stale_target"


class TestCredentials:
    def test_the_lifetime_is_bounded(self, alice: Any, working: Agent) -> None:
        for days in (0, 366, -1):
            with pytest.raises(Refusal) as refused:
                credentials.issue_client_secret(
                    actor=alice.as_actor(), agent=working, reason=WHY, lifetime=timedelta(days=days)
                )
            assert refused.value.code == "lifetime_out_of_range"
