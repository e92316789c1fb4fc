"""A form that offers few things lists them; among many one is found by what somebody types into its box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent, Certificate, Department, Policy, Role, Stop
from agents.selectors.offers import BOUND, EMPLOYED, STOPPED
from audit import offers
from audit.offers import registered_offers
from tests.agents.authority import catalogue
from tests.agents.test_lists import cells
from tests.company import new_agent, person

WHY = "The test asks for it"
# Each form that offers agents, by the offer that its box searches.
FORMS = {
    "bound": ("agents_policy_add", "agents_measure_add"),
    "stopped": ("agents_stop_add",),
    "slowed": ("agents_throttle_add",),
    "account-agents": ("connectors_account_add",),
    "listeners": ("notices_channel_add",),
}
PEOPLE = ("alice", "bob", "carol", "dave", "mallory")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def operations() -> Iterator[None]:
    with catalogue():
        yield


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every list be too long to read."""
    monkeypatch.setattr(offers, "MOST_LISTED", 0)


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def labels(client: Client, of: str, typed: str) -> list[str]:
    answer = client.get(reverse(f"choices-{of}"), {"q": typed})
    assert answer.status_code == 200
    return [one["label"] for one in answer.json()["found"]]


def read(client: Client, name: str) -> str:
    return client.get(reverse(f"admin:{name}")).content.decode()


class TestOffers:
    def test_one_thing_is_meant_by_its_value_its_code_its_name_or_as_it_stands_in_the_box(
        self, working: Agent
    ) -> None:
        value = f"agent:{working.pk}"
        for typed in (value, "robo", "ROBO", " Robo ", "Robo (robo), agent"):
            assert BOUND.value_of(typed) == value, typed
        assert BOUND.value_of("The whole company") == "company:"
        assert STOPPED.value_of("everything") == "everything:"
        for typed in ("", "rob", "Robo (robo), role", "Robo (other), agent", "agent:no id", "\x00", "x" * 999):
            assert BOUND.value_of(typed) == "", typed

    def test_namesakes_are_told_apart_by_code_and_kind(self, working: Agent, alice: Any) -> None:
        second = new_agent(alice, "second")
        Agent.objects.filter(pk=second.pk).update(name="Robo")
        Role.objects.filter(code="bookkeeper").update(code="finance", name="Finance")
        assert [one.label for one in EMPLOYED.meant("Robo")] == ["Robo (robo)", "Robo (second)"]
        assert EMPLOYED.value_of("Robo (second)") == str(second.pk)
        said = {"Finance (finance), department", "Finance (finance), role"}
        assert {one.label for one in BOUND.meant("finance")} == said
        department = Department.objects.get(code="finance")
        assert BOUND.value_of("Finance (finance), department") == f"department:{department.pk}"

    def test_who_is_retired_is_not_offered(self, working: Agent) -> None:
        Agent.objects.filter(pk=working.pk).update(lifecycle=Agent.Lifecycle.RETIRED)
        assert EMPLOYED.found("robo") == []
        assert EMPLOYED.value_of(str(working.pk)) == ""

    def test_words_are_looked_for_in_names_and_codes_and_stand_for_themselves(
        self, working: Agent, alice: Any
    ) -> None:
        Agent.objects.filter(pk=new_agent(alice, "reader-2").pk).update(name="Reads 100% of it")
        assert [one.label for one in EMPLOYED.found("reader reads")] == ["Reads 100% of it (reader-2)"]
        assert len(EMPLOYED.found("%")) == 1
        assert EMPLOYED.found("_") == []

    def test_of_many_the_first_few_are_answered(self, working: Agent, alice: Any) -> None:
        for at in range(offers.MOST_FOUND + 3):
            new_agent(alice, f"clone-{at:02}")
        answer = signed_in(alice).get(reverse("choices-bound"), {"q": "clone"}).json()
        assert len(answer["found"]) == offers.MOST_FOUND
        assert answer["more"]


class TestForms:
    def test_few_are_listed_and_many_are_searched(
        self, alice: Any, working: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = signed_in(alice)
        addresses = [(of, name) for of, names in FORMS.items() for name in names]
        for _, name in addresses:
            page = read(client, name)
            assert f"{working.pk}" in page, name
            assert "data-choices" not in page, name
        monkeypatch.setattr(offers, "MOST_LISTED", 0)
        for of, name in addresses:
            page = read(client, name)
            assert f'data-choices="{reverse(f"choices-{of}")}"' in page, name
            assert f"{working.pk}" not in page, name

    def test_a_form_asks_as_much_for_many_as_for_more(self, alice: Any, working: Agent, many: None) -> None:
        client = signed_in(alice)
        read(client, "agents_stop_add")
        with CaptureQueriesContext(connection) as few:
            read(client, "agents_stop_add")
        for at in range(12):
            new_agent(alice, f"clone-{at:02}")
        with CaptureQueriesContext(connection) as more:
            read(client, "agents_stop_add")
        assert len(more) <= len(few)

    def test_what_was_typed_is_chosen_without_a_script(self, alice: Any, working: Agent, many: None) -> None:
        form = {"name": "Robo's", "scope": "Robo (robo), agent", "reason": WHY}
        answer = signed_in(alice).post(reverse("admin:agents_policy_add"), form)
        assert answer.status_code == 302
        policy = Policy.objects.get(name="Robo's")
        assert (policy.scope_kind, policy.scope_id) == ("agent", str(working.pk))
        page = signed_in(alice).get(reverse("admin:agents_policy_change", args=[policy.pk])).content.decode()
        assert 'value="Robo (robo), agent"' in page

    def test_what_may_mean_several_comes_back_with_those_to_choose_from(
        self, dave: Any, alice: Any, working: Agent, many: None
    ) -> None:
        Agent.objects.filter(pk=new_agent(alice, "second").pk).update(name="Robo")
        client = signed_in(dave)
        answer = client.post(reverse("admin:agents_stop_add"), {"scope": "Robo", "reason": WHY})
        page = answer.content.decode()
        assert "“Robo” does not say which one is meant" in page
        assert '<option value="Robo (second), agent">' in page
        answer = client.post(reverse("admin:agents_stop_add"), {"scope": "Nobody at all", "reason": WHY})
        assert "Nothing to choose here is called “Nobody at all”" in answer.content.decode()
        assert not Stop.objects.exists()

    def test_the_preview_reads_what_was_typed(self, dave: Any, working: Agent, many: None) -> None:
        said = signed_in(dave).post(reverse("admin:agents_stop_affected"), {"scope": "Robo (robo), agent"})
        assert "Robo" in said.content.decode()
        said = signed_in(dave).post(reverse("admin:agents_stop_affected"), {"scope": "Ro"})
        assert "Robo" not in said.content.decode()

    def test_only_people_are_offered_as_heads_of_a_department(self, alice: Any, working: Agent) -> None:
        page = read(signed_in(alice), "agents_department_add")
        assert f'value="{alice.pk}"' in page
        assert f'value="{working.user_id}"' not in page


class TestSearch:
    def test_whoever_opens_a_form_may_search_what_it_offers_and_nobody_else(
        self, working: Agent, request: pytest.FixtureRequest
    ) -> None:
        for who in PEOPLE:
            client = signed_in(request.getfixturevalue(who))
            for of, names in FORMS.items():
                opens = {client.get(reverse(f"admin:{name}")).status_code == 200 for name in names}
                found = client.get(reverse(f"choices-{of}")).status_code
                assert found == (200 if True in opens else 403), (who, of)

    def test_an_offer_that_names_no_permission_is_searched_by_nobody(
        self, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offer, _ = registered_offers()["bound"]
        monkeypatch.setitem(offers._offers, "bound", (offer, frozenset()))
        assert signed_in(alice).get(reverse("choices-bound")).status_code == 403

    def test_a_stranger_signs_in_first(self, working: Agent) -> None:
        assert Client().get(reverse("choices-bound")).status_code == 302

    def test_it_answers_in_the_language_of_the_reader(self, alice: Any, working: Agent) -> None:
        client = signed_in(alice)
        client.cookies["django_language"] = "de"
        assert labels(client, "bound", "robo") == ["Robo (robo), Agent"]
        client.cookies["django_language"] = "en"
        assert labels(client, "bound", "robo") == ["Robo (robo), agent"]


def certify(agent: Agent) -> None:
    Certificate.objects.create(
        agent=agent, kind="activation", text=f"Of {agent.code}", content={}, digest="0" * 64
    )


class TestFilter:
    @pytest.fixture
    def certified(self, working: Agent, alice: Any) -> list[Agent]:
        agents = [working, new_agent(alice, "second")]
        for agent in agents:
            certify(agent)
        return agents

    @pytest.fixture
    def erin(self, certified: list[Agent]) -> Any:
        """Somebody without a right who answers for the second one."""
        erin = person("erin", "everybody")
        Agent.objects.filter(pk=certified[1].pk).update(sponsor=erin)
        return erin

    def rows(self, client: Client, **asked: str) -> set[str]:
        answer = client.get(reverse("admin:agents_certificate_changelist"), asked)
        assert answer.status_code == 200
        return {row.agent.code for row in answer.context_data["cl"].result_list}

    def test_a_list_is_narrowed_by_links_while_agents_are_few(self, alice: Any, certified: list[Agent]) -> None:
        page = read(signed_in(alice), "agents_certificate_changelist")
        assert f"agent__id__exact={certified[0].pk}" in page

    def test_a_list_is_narrowed_by_what_is_typed_among_many(
        self, alice: Any, certified: list[Agent], many: None
    ) -> None:
        client = signed_in(alice)
        page = read(client, "agents_certificate_changelist")
        assert f"agent__id__exact={certified[0].pk}" not in page
        assert f'data-choices="{reverse("choices-certified")}"' in page
        assert self.rows(client) == {"robo", "second"}
        assert self.rows(client, agent__called="Second (second)") == {"second"}
        assert self.rows(client, agent__called="sec") == {"second"}
        assert self.rows(client, agent__called="nobody") == set()
        assert self.rows(client, agent__id__exact=str(certified[0].pk)) == {"robo"}

    def test_no_row_is_lost_where_more_are_called_so_than_a_box_shows(
        self, alice: Any, working: Agent, many: None
    ) -> None:
        codes = {f"clone-{at:02}" for at in range(offers.MOST_FOUND + 5)}
        for code in codes:
            certify(new_agent(alice, code))
        client = signed_in(alice)
        assert self.rows(client, agent__called="clone") == codes
        Agent.objects.filter(code__in=codes).update(name="Invoice")
        assert self.rows(client, agent__called="invoice") == codes
        assert self.rows(client, agent__called="Invoice (clone-03)") == {"clone-03"}
        lines = cells(client, "admin:agents_certificate_csv", "?agent__called=invoice")
        assert len(lines) == len(codes) + 1

    def test_somebody_is_offered_the_agents_they_may_see(self, erin: Any) -> None:
        page = read(signed_in(erin), "agents_certificate_changelist")
        assert "Second" in page
        assert "Robo" not in page

    def test_among_many_somebody_finds_the_agents_they_may_see(
        self, erin: Any, certified: list[Agent], many: None
    ) -> None:
        client = signed_in(erin)
        assert labels(client, "certified", "") == ["Second (second)"]
        assert self.rows(client, agent__called="sec") == {"second"}
        robo = certified[0]
        for typed in ("robo", "rob", "o", str(robo.pk)):
            asked = {"agent__called": typed}
            page = client.get(reverse("admin:agents_certificate_changelist"), asked).content.decode()
            assert "Robo" not in page, typed
            assert self.rows(client, **asked) <= {"second"}, typed
        page = client.get(
            reverse("admin:agents_certificate_changelist"), {"agent__id__exact": str(robo.pk)}
        ).content.decode()
        assert "Robo" not in page

    def test_who_reads_certificates_by_right_finds_each_agent_that_has_one(
        self, certified: list[Agent], alice: Any, many: None
    ) -> None:
        new_agent(alice, "third")
        reader = person("fay", "everybody")
        reader.user_permissions.add(Permission.objects.get(codename="view_certificate"))
        assert labels(signed_in(reader), "certified", "") == ["Robo (robo)", "Second (second)"]
        assert self.rows(signed_in(reader), agent__called="rob") == {"robo"}
