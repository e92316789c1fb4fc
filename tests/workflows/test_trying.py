"""The page on which a person tries what an agent may do."""

from __future__ import annotations

import pytest
from django.urls import reverse

from audit.models import Event
from tests.workflows.conftest import hold_above, limit
from workflows.actions.models import Action

ARGUMENTS = {
    "with-supplier": "S-1",
    "with-number": "RE-7",
    "with-total_0": "1,500.00",
    "with-total_1": "EUR",
}


@pytest.fixture
def tried(client, alice, clerk):
    client.force_login(alice)
    address = reverse("agent-try", args=[clerk.pk])

    def trying(operation="fake.invoice.post", **given):
        answer = client.post(f"{address}?operation={operation}", {**ARGUMENTS, **given})
        return answer.status_code, answer.content.decode()

    return trying


def test_an_operation_is_chosen_by_name_with_what_it_has_a_grant_for_first(client, alice, clerk):
    client.force_login(alice)
    text = client.get(reverse("agent-try", args=[clerk.pk])).content.decode()
    assert text.index("It has a grant for") < text.index("It has no grant for")
    assert "Post an invoice" in text


def test_a_call_is_decided_as_a_real_one_would_be_and_nothing_comes_of_it(tried):
    hold_above(100_000, quorum=2)
    hold_above(900_000)
    limit("tests_per_day", 12)
    events = Event.objects.count()
    status, text = tried()
    assert status == 200
    assert "It would wait for a person" in text
    assert "invoices above 1,000.00 EUR need a person" in text
    assert "It asks two people of the ordinary approvers." in text
    assert "does not apply" in text
    assert "12 of 12 were left, this uses 1" in text
    assert not Action.objects.exists()
    assert Event.objects.count() == events


def test_what_it_has_no_grant_for_would_be_refused(tried):
    status, text = tried("fake.invoice.find", **{"with-reference": "AOS-1"})
    assert status == 200
    assert "It would be refused" in text
    assert "has no grant" in text


def test_a_label_of_where_values_come_from_is_read_by_rules(tried):
    hold_above(0, condition="'args.supplier' in provenance && provenance['args.supplier'] == 'email'")
    assert "It would go through" in tried()[1]
    assert "It would wait for a person" in tried(label="email")[1]
    assert tried(label="An E-Mail!")[0] == 422


def test_what_does_not_fit_is_said_where_it_is(tried):
    status, text = tried(**{"with-total_0": "much"})
    assert status == 422
    assert "is not an amount" in text


def test_who_may_not_preview_finds_no_page(client, bob, clerk):
    client.force_login(bob)
    assert client.get(reverse("agent-try", args=[clerk.pk])).status_code == 404
