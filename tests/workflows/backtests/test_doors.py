"""The pages and the endpoints of back-tests."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.workflows.conftest import ask, hold_above, limit, signed_in
from workflows.backtests import services
from workflows.backtests.models import Backtest


@pytest.fixture
def rule(clerk):
    made = hold_above(100_000, condition="", field="amount", comparison="above", value="1000.00")
    for number, minor in enumerate((60_000, 70_000, 200_000)):
        ask(clerk, number=f"RE-{number}", minor=minor)
    return made


def test_a_manager_tries_another_value_and_reads_what_would_have_been(client, alice, rule):
    client.force_login(alice)
    address = reverse("rule-backtest", args=[rule.pk])
    assert "Not tried yet" in client.get(address).content.decode()
    assert address in client.get(reverse("admin:agents_rule_change", args=[rule.pk])).content.decode()
    answer = client.post(address, {"days": "7", "value": "650.00"})
    backtest = Backtest.objects.get()
    assert answer.headers["Location"] == reverse("backtest", args=[backtest.pk])
    assert "0 of 3 recorded actions counted" in client.get(answer.headers["Location"]).content.decode()
    services.come_on(backtest_id=backtest.pk)
    text = client.get(reverse("backtest-parts", args=[backtest.pk])).content.decode()
    assert "1 of 3 recorded actions would have been decided otherwise" in text
    assert "Went through, would wait for a person" in text
    assert "RE-1" in text
    assert "authorized 1" in text
    assert "above 650.00 EUR" in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [({"days": "8"}, "Correct what is marked"), ({"days": "7", "value": "much"}, "is not an amount")],
)
def test_what_cannot_be_tried_is_said_on_the_form(client, alice, rule, given, words):
    client.force_login(alice)
    answer = client.post(reverse("rule-backtest", args=[rule.pk]), given)
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_over_http_it_is_asked_and_read_until_it_is_done(alice, rule):
    client = signed_in(alice)
    period = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    asked = client.post(
        "/api/v1/backtests",
        {"rule": str(rule.pk), **period, "changes": {"condition": "amount > 150000"}},
        format="json",
    )
    assert (asked.status_code, asked.json()["state"]) == (202, "running")
    services.come_on(backtest_id=asked.json()["id"])
    read = client.get(f"/api/v1/backtests/{asked.json()['id']}").json()
    assert (read["state"], read["result"]["looked_at"], read["result"]["changed"]) == ("done", 3, 0)
    wrong = client.post(
        "/api/v1/backtests",
        {"rule": str(rule.pk), **period, "changes": {"condition": "nobody.knows"}},
        format="json",
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "rule_refused")


def test_an_action_that_one_may_not_see_is_counted_and_not_named(alice, carol, rule, monkeypatch):
    backtest = services.ask_backtest(
        actor=alice.as_actor(),
        rule=rule,
        since=rule.policy.created_at.replace(year=2020),
        until=rule.policy.created_at.replace(year=2099),
        edits={"field": "amount", "comparison": "above", "value": "650.00"},
    )
    services.come_on(backtest_id=backtest.pk)
    monkeypatch.setattr("workflows.api.backtests.visible_actions", lambda _: type(rule).objects.none())
    (change,) = signed_in(carol).get(f"/api/v1/backtests/{backtest.pk}").json()["result"]["changes"]
    assert (change["count"], change["named"]) == (1, [])


def test_a_limit_is_tried_on_its_page_and_over_http(client, alice, clerk):
    per_day = limit("per_day", 5)
    for number in range(4):
        ask(clerk, number=f"RE-{number}", minor=10_000)
    client.force_login(alice)
    address = reverse("limit-backtest", args=[per_day.pk])
    assert "It stands at 5" in client.get(address).content.decode()
    assert address in client.get(reverse("admin:agents_measure_change", args=[per_day.pk])).content.decode()
    typed = {"days": "7", "ceiling": "1", "window": "day", "on_exceed": "hold", "key": ""}
    answer = client.post(address, typed)
    backtest = Backtest.objects.get()
    assert answer.headers["Location"] == reverse("backtest", args=[backtest.pk])
    services.come_on(backtest_id=backtest.pk)
    text = client.get(reverse("backtest-parts", args=[backtest.pk])).content.decode()
    assert "3 of 4 recorded actions would have been decided otherwise" in text
    assert "Day by day" in text
    assert "Try another ceiling or period" in text
    for wrong, words in (
        ({"ceiling": "many"}, "is not a whole number"),
        ({"days": "9"}, "Correct what is marked"),
    ):
        refused = client.post(address, {**typed, **wrong})
        assert refused.status_code == 422
        assert words in refused.content.decode()
    api = signed_in(alice)
    body = {"limit": str(per_day.pk), "since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    told = api.post("/api/v1/backtests", {**body, "changes": {"ceiling": 2}}, format="json")
    assert (told.status_code, told.json()["limit"]) == (202, str(per_day.pk))
    services.come_on(backtest_id=told.json()["id"])
    found = api.get(f"/api/v1/backtests/{told.json()['id']}").json()
    assert [(one["before"], one["after"], one["count"]) for one in found["result"]["changes"]] == [
        ("allow", "deny", 2)
    ]
    assert api.post("/api/v1/backtests", {**body, "rule": str(per_day.pk)}, format="json").status_code == 422
    none = {name: value for name, value in body.items() if name != "limit"}
    assert api.post("/api/v1/backtests", none, format="json").status_code == 422
