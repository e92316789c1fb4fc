"""Agents in the admin: taken on, changed, paused, given secrets, retired."""

from __future__ import annotations

from typing import Any

import pytest
from guardian.shortcuts import assign_perm

from agents.models import Agent, ChangeRequest, ClientSecret, Department, Role, Rule, User
from agents.services import lifecycle
from audit.models import Event
from tests.agents.admin_pages import REGISTRATION, adding, do, errors, listing, page, signed_in

pytestmark = pytest.mark.usefixtures("operations")


class TestAgents:
    def test_a_manager_registers_an_agent(self, alice: Any, finance: Department, bookkeeper: Role) -> None:
        client = signed_in(alice)
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        answer = client.post(adding(Agent), {**REGISTRATION, **places}, follow=True)
        said = answer.content.decode()
        assert "was added. It is a draft. Next: grant it operations" in said, errors(answer)
        assert answer.redirect_chain[-1][0] == page(agent := Agent.objects.get(code="clerk"))
        assert agent.lifecycle == "draft"
        assert agent.user.is_agent
        assert not agent.user.has_usable_password()
        assert agent.oauth_application.client_id
        assert agent.history.first().history_user == alice
        assert agent.history.first().history_change_reason == "Help for the team"
        assert Event.objects.filter(verb="agents.agent_registered", agent_id=str(agent.pk)).exists()

    def test_a_code_that_is_taken_comes_back_on_the_form(
        self, alice: Any, finance: Department, bookkeeper: Role
    ) -> None:
        User.objects.create(username="agent.clerk")
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        answer = signed_in(alice).post(adding(Agent), {**REGISTRATION, **places})
        assert answer.status_code == 200
        assert "already exists" in errors(answer)
        assert not Agent.objects.filter(code="clerk").exists()
        refused = Event.objects.get(verb="audit.change_refused")
        assert (refused.actor_label, refused.subject_kind) == ("Alice", "agents.agent")

    def test_a_code_left_empty_is_made_from_the_name(
        self, alice: Any, finance: Department, bookkeeper: Role
    ) -> None:
        places = {"sponsor": str(alice.pk), "department": str(finance.pk), "role": str(bookkeeper.pk)}
        form = {**REGISTRATION, **places, "name": "Invoice clerk 7", "code": ""}
        assert signed_in(alice).post(adding(Agent), form).status_code == 302
        assert Agent.objects.filter(code="invoice-clerk-7").exists()

    def test_an_agent_cannot_be_a_sponsor(self, alice: Any, working: Agent) -> None:
        places = {"department": str(working.department_id), "role": str(working.role_id)}
        answer = signed_in(alice).post(
            adding(Agent), {**REGISTRATION, **places, "sponsor": str(working.user_id)}
        )
        assert "Select a valid choice" in errors(answer)

    def test_the_file_shows_its_tabs(
        self, alice: Any, working: Agent, credential: Any, threshold: Rule
    ) -> None:
        text = signed_in(alice).get(page(working)).content.decode()
        for expected in ("Identity", "Authority", "Contract", "Credentials", "Trail"):
            assert expected in text
        assert "10,000.00 EUR" in text
        assert credential.client_id in text
        assert credential.secret not in text
        assert "registered Robo" in text

    def test_a_reason_is_asked_for(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        assert do(client, working, "pause", reason="no").status_code == 200
        working.refresh_from_db()
        assert working.brake == "none"

    def test_pausing_and_lifting(self, alice: Any, dave: Any, working: Agent) -> None:
        assert do(signed_in(dave), working, "pause")["HX-Redirect"] == page(working)
        working.refresh_from_db()
        assert working.brake == "paused"
        assert do(signed_in(dave), working, "lift_brake").status_code == 403
        assert do(signed_in(alice), working, "lift_brake")["HX-Redirect"]
        working.refresh_from_db()
        assert working.brake == "none"

    def test_who_answers_for_an_agent_may_pause_it_and_no_other(
        self, alice: Any, mallory: Any, working: Agent, finance: Department, bookkeeper: Role
    ) -> None:
        other = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Other",
            code="other",
            purpose="Else.",
            sponsor=alice,
            department=finance,
            role=bookkeeper,
            reason="Another one",
        )
        working.sponsor = mallory
        working.save(update_fields=["sponsor"])
        client = signed_in(mallory)
        assert client.get(page(working)).status_code == 200
        text = client.get(listing(Agent)).content.decode()
        assert "Robo" in text
        assert "Other" not in text
        assert do(client, working, "pause")["HX-Redirect"]
        assert do(client, other, "pause").status_code in (403, 404)
        working.refresh_from_db()
        assert working.brake == "paused"
        assert do(client, working, "lift_brake").status_code == 403

    def test_an_object_permission_opens_one_agent(
        self, alice: Any, mallory: Any, working: Agent, finance: Department, bookkeeper: Role
    ) -> None:
        hidden = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Hidden",
            code="hidden",
            purpose="Else.",
            sponsor=alice,
            department=finance,
            role=bookkeeper,
            reason="Another one",
        )
        assign_perm("agents.view_agent", mallory, working)
        client = signed_in(mallory)
        text = client.get(listing(Agent)).content.decode()
        assert "Robo" in text
        assert "Hidden" not in text
        assert client.get(page(working)).status_code == 200
        assert client.get(page(hidden)).status_code in (302, 403)
        assert client.post(page(working), {"name": "Mine", "reason": "Because I can"}).status_code == 403
        assert do(client, working, "pause").status_code == 403

    def test_a_change_permission_on_one_agent_lets_its_file_be_changed(
        self, mallory: Any, working: Agent
    ) -> None:
        assign_perm("agents.view_agent", mallory, working)
        assign_perm("agents.change_agent", mallory, working)
        form = {
            "name": "Robo",
            "purpose": "Something new.",
            "reached_by": "polls",
            "reason": "A clearer purpose",
        }
        answer = signed_in(mallory).post(page(working), form)
        assert answer.status_code == 302, errors(answer)
        working.refresh_from_db()
        assert working.purpose == "Something new."

    def test_governed_fields_are_not_in_the_form_of_a_working_agent(self, alice: Any, working: Agent) -> None:
        answer = signed_in(alice).get(page(working))
        assert set(answer.context["adminform"].form.fields) == {*lifecycle.UNGOVERNED, "reason"}

    def test_activation_takes_two_people(self, alice: Any, bob: Any, draft: Agent) -> None:
        do(signed_in(alice), draft, "activate")
        change = ChangeRequest.objects.get(kind=lifecycle.ACTIVATE)
        draft.refresh_from_db()
        assert draft.lifecycle == "draft"
        assert do(signed_in(alice), change, "apply")["HX-Redirect"]
        draft.refresh_from_db()
        assert draft.lifecycle == "draft"
        refused = Event.objects.get(verb="audit.change_refused")
        assert (refused.code, refused.subject_id) == ("same_person", str(change.pk))
        assert do(signed_in(bob), change, "apply")["HX-Redirect"]
        draft.refresh_from_db()
        assert draft.lifecycle == "active"

    def test_a_secret_is_shown_once_with_what_to_do_with_it(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        answer = do(client, working, "issue_secret", days="30")
        text = answer.content.decode()
        secret = text.split("client_secret=")[1].split(" ")[0]
        assert secret.startswith("aos_cs_")
        assert "/oauth/token" in text
        assert "no-store" in answer["Cache-Control"]
        assert answer["HX-Retarget"] == "#dialog"
        assert secret not in client.get(page(working)).content.decode()
        for row in [*Event.objects.values(), *ClientSecret.objects.values(), *ClientSecret.history.values()]:
            assert secret not in str(row)

    def test_revoking_one_secret_and_all(self, alice: Any, working: Agent, credential: Any) -> None:
        client = signed_in(alice)
        first = ClientSecret.objects.get()
        assert do(client, first, "revoke")["HX-Redirect"]
        do(client, working, "issue_secret", days="30")
        do(client, working, "revoke_secrets")
        assert not ClientSecret.objects.filter(revoked_at=None).exists()

    def test_retiring(self, alice: Any, working: Agent, credential: Any) -> None:
        do(signed_in(alice), working, "retire")
        working.refresh_from_db()
        assert working.lifecycle == "retired"
        assert not working.user.is_active
        assert not ClientSecret.objects.filter(revoked_at=None).exists()

    def test_more_autonomy_waits_and_less_does_not(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        text = client.get(page(working)).content.decode()
        assert "Robo does by itself what its contract allows; until now it has everything" in text
        do(client, working, "autonomy", autonomy="by_contract")
        working.refresh_from_db()
        assert working.autonomy == "hold_writes"
        assert ChangeRequest.objects.get().kind == lifecycle.LOOSEN_AUTONOMY
        do(client, working, "autonomy", autonomy="read_only")
        working.refresh_from_db()
        assert working.autonomy == "read_only"
