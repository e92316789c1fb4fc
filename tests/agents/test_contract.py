"""What a contract says, when its version changes and when not, and what a difference is in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision.clauses import write_contract
from agents.decision.contract import (
    Contract,
    ContractFacts,
    Names,
    ThrottleFacts,
    as_document,
    as_signed,
    as_text,
    difference,
)
from agents.decision.facts import GrantFacts, NextLevel, StopFacts
from agents.decision.speech import span, spoken
from tests.agents.facts import GRANT, NOW, by_hand, create_party, measure, post_invoice, robo, rule, snapshot

NAMES = Names(
    sponsor="Alice",
    deputy="Bob",
    role="Bookkeeper",
    department="Finance",
    ordinary_approvers="Approvers",
    scopes={("department", "finance"): "Finance", ("role", "role-1"): "Bookkeeper"},
    policies={"policy-1": "Company rules"},
    systems={"sys-1": "Tryton"},
)
LIMIT = {"unit": "money", "amount": "amount", "ceiling": 5_000_000, "window": "rolling", "window_seconds": 7200}
ERP = ThrottleFacts("system", "sys-1", "Calls of the ERP", 5, 100, 60)


def facts(*rules: Any, **changes: Any) -> ContractFacts:
    found = {
        "agent": robo(deputy_id="bob-1"),
        "purpose": "Posts invoices",
        "snapshot": snapshot(
            *rules, **{key: changes.pop(key) for key in ("measures", "grants", "stops") if key in changes}
        ),
        "operations": {it.code: it for it in (post_invoice(), create_party())},
        "today": NOW.date(),
        "names": NAMES,
        **changes,
    }
    return ContractFacts(**found)


def written(*rules: Any, **changes: Any) -> Contract:
    return write_contract(facts(*rules, **changes))


def says(contract: Contract, key: str) -> list[str]:
    """Return the clauses of a section, each with its details."""
    section = next(it for it in contract.sections if it.key == key)
    return [" ".join([it.text, *it.details]) for it in section.clauses]


def test_it_says_who_it_is_and_who_answers_for_it() -> None:
    assert says(written(), "who") == [
        "Robo works as Bookkeeper in Finance.",
        "What it is for: Posts invoices.",
        "Alice answers for it.",
        "Bob answers for it when Alice is away.",
        "The harm a mistake of it could do is rated medium.",
        "Alice confirms by 1 January 2027 that it is still needed. "
        "After that day it may only read until this is done and two people give it back the rest.",
    ]


def test_what_it_may_do_is_what_is_granted_and_known_by_system() -> None:
    contract = written(grants=frozenset({GRANT, GrantFacts("g", "erp.unknown", "user", "user-1")}))
    assert says(contract, "may") == ["Post a supplier invoice: it moves money or commits to it."]
    assert contract.sections[1].clauses[0].heading == "Tryton"
    assert says(written(grants=frozenset()), "may") == []


def test_a_rule_says_whom_it_asks_and_what_stays_hidden() -> None:
    asked = rule(quorum=2, approver_group="Finance leads", note="the total", redact=("args.iban",))
    said = says(written(asked), "ask")
    assert (
        "Invoices above 10,000.00 EUR need a person. Exactly: An amount above 10,000.00 EUR needs a person. "
        "Two people of Finance leads must agree. They are asked to look at this: The total. "
        "Hidden in records and on pages: iban."
    ) in said
    assert (
        "Money in a currency that the company has no exchange rate for: one person of Approvers must agree."
        in said
    )


def test_a_rule_says_when_its_group_decides_and_that_they_sign_in_again() -> None:
    asked = rule(approver_group="Legal", stage=2, step_up=True)
    said = says(written(asked), "ask")
    assert any(
        "Once those of the stages before have agreed, at stage 2, one person of Legal must agree. "
        "Whoever approves must sign in again just before." in line
        for line in said
    )
    assert any("a later one waits for those before, and nobody decides at two of them" in line for line in said)


def test_no_cel_is_ever_shown() -> None:
    hand = by_hand('args.supplier == "ACME" && amount > 1000000', "r2", sentence="no ACME", verdict="deny")
    contract = written(hand, measures=(measure(key="args.supplier", **LIMIT),), throttles=(ERP,))
    for shown in (as_text(as_signed(contract)), json.dumps(as_document(contract))):
        assert not any(sign in shown for sign in ("args.", "==", "&&", "1000000", "5000000"))
    assert "No ACME. Its exact condition was written by hand and is kept with the rule." in says(
        contract, "never"
    )


def test_limits_have_units_windows_and_money_as_people_write_it() -> None:
    limits = (
        measure(on_exceed="hold", key="args.supplier", **LIMIT),
        measure("measure-2"),
        measure(
            "measure-3", name="An invoice", window="ever", ceiling=1, key='args.supplier + "/" + args.number'
        ),
        measure("measure-4", ceiling=None),
    )
    contract = written(measures=limits, throttles=(ERP,))
    assert says(contract, "limits") == [
        "Invoices posted: at most 50,000.00 EUR in any 2 hours. Counted apart for each supplier. "
        "Counted together for the whole company. What is more waits for a person.",
        "Invoices posted: at most 20 per day. Counted together for the whole company. What is more is refused.",
        "Calls of the ERP: at most 5 at once and 100 in any minute by all agents together. "
        "What is more waits for its turn.",
    ]
    assert "An invoice: never twice for the same supplier and number. A second time is refused." in says(
        contract, "never"
    )


@pytest.mark.parametrize(
    ("autonomy", "section", "words"),
    [
        ("hold_writes", "ask", "Everything it writes: one person of Approvers must agree before it is done."),
        ("read_only", "never", "Write anything: it may only read."),
        (
            "by_contract",
            "ask",
            "What this contract allows it does by itself; only what is listed here waits for a person.",
        ),
    ],
)
def test_how_freely_it_works_stands_where_it_belongs(autonomy: str, section: str, words: str) -> None:
    assert words in says(written(agent=robo(autonomy=autonomy)), section)


def test_what_is_not_in_force_stands_apart_and_binds_nothing() -> None:
    contract = written(rule(mode="draft"), rule("rule-2", mode="shadow"), measures=(measure(mode="shadow"),))
    assert [it.origin for it in contract.pending] == [
        "Company rules, for the whole company (draft)",
        "Company rules, for the whole company (shadow)",
        "Limit (shadow)",
    ]
    assert contract.digest == written().digest
    assert as_document(contract, for_agent=True)["not_in_force"] == []


def test_what_cannot_be_checked_is_said_to_refuse() -> None:
    assert "cannot be checked" in " ".join(says(written(rule(operations="no pattern!")), "never"))
    assert "cannot be checked" in " ".join(says(written(rule(scope_kind="galaxy")), "never"))


def test_an_agent_reads_neither_its_deputy_nor_what_others_share_with_it() -> None:
    contract = written(rule(), throttles=(ERP,))
    people, own = (json.dumps(as_document(contract, for_agent=flag)) for flag in (False, True))
    for hidden in ("Bob", "Calls of the ERP"):
        assert hidden in people
        assert hidden not in own
    for shown in ("Alice", contract.digest):
        assert shown in own


def test_what_holds_it_up_now_is_said_and_is_no_part_of_the_version() -> None:
    agent = robo(deputy_id="bob-1", brake="paused", lifecycle="draft", sponsor_active=False)
    stops = (
        StopFacts("s", "system", "sys-1", "Tryton", "why", "held"),
        StopFacts("t", "role", "x", "Other", "y"),
    )
    contract = written(agent=agent, stops=stops)
    assert len(contract.standing) == 4
    assert contract.standing[-1] == "Tryton is stopped: a person approves every write until then."
    assert contract.digest == written().digest
    assert "1 January 2027" in written(today=robo().attest_by.replace(day=2)).standing[0]


AT_NIGHT = by_hand("clock.hour > 20", "r2", sentence="Nothing happens at night.")


def test_a_rule_about_the_clock_says_whose_clock() -> None:
    here = replace(snapshot(AT_NIGHT), time_zone="Europe/Berlin")
    assert "Days and hours are those of Europe/Berlin." in says(written(snapshot=here), "ask")[1]
    assert written(snapshot=here).digest != written(AT_NIGHT).digest


BINDS = {
    "a rule": {"rules": (rule(), rule("r2", verdict="deny"))},
    "its condition": {"rules": (by_hand("amount > 1"),)},
    "its verdict": {"rules": (rule(verdict="deny"),)},
    "its quorum": {"rules": (rule(quorum=2),)},
    "its stage": {"rules": (rule(stage=2),)},
    "its second sign-in": {"rules": (rule(step_up=True),)},
    "its group": {"rules": (rule(approver_group="Board"),)},
    "its words": {"rules": (rule(sentence="Large invoices need a person."),)},
    "what it hides": {"rules": (rule(redact=("args.iban",)),)},
    "its mode": {"rules": (rule(mode="shadow"),)},
    "the currency its amount is in": {"snapshot": replace(snapshot(rule()), company_currency="USD")},
    "a limit": {"measures": (measure(),)},
    "a throttle": {"throttles": (ERP,)},
    "autonomy": {"agent": robo(deputy_id="bob-1", autonomy="hold_writes")},
    "sponsor": {"agent": robo(deputy_id="bob-1", sponsor_id="another")},
    "attestation": {"agent": robo(deputy_id="bob-1", attest_by=None)},
    "purpose": {"purpose": "Pays invoices"},
    "a grant": {"grants": frozenset({GRANT, GrantFacts("g2", "erp.party.create", "user", "user-1")})},
    "what it does": {"operations": {post_invoice().code: post_invoice(effect="destructive")}},
    "who approves": {"names": replace(NAMES, ordinary_approvers="Board")},
}
BINDS_NOT = {
    "a rule of others": {"rules": (rule(), rule("r2", scope_kind="agent", scope_id="other"))},
    "a rule about what it may not use": {"rules": (rule(), rule("r2", operations="crm.*"))},
    "a draft": {"rules": (rule(), rule("r2", mode="draft"))},
    "the name of a rule": {"rules": (rule(name="Big ones", version=9),)},
    "the policy it stands in": {"rules": (rule(policy_id="p2", scope_kind="role", scope_id="role-1"),)},
    "how wide its pattern is": {"rules": (rule(operations="*"),)},
    "the same rule twice": {"rules": (rule(), rule("r2"))},
    "a counter without a ceiling": {"measures": (measure(ceiling=None),)},
    "a throttle of another system": {"throttles": (replace(ERP, scope_id="sys-2"),)},
    "the same grant once more": {
        "grants": frozenset({GRANT, GrantFacts("g2", GRANT.operation, "user", "user-1")})
    },
    "a grant on what is switched off": {
        "grants": frozenset({GRANT, GrantFacts("g2", "crm.x", "user", "user-1")})
    },
    "somebody marries": {"names": replace(NAMES, sponsor="Alice Brown", department="Accounts")},
    "the day": {"today": NOW.date().replace(day=21)},
    "a clock that no rule reads": {"snapshot": replace(snapshot(rule()), time_zone="Europe/Berlin")},
    "the version of authority": {"snapshot": replace(snapshot(rule()), version=99)},
}


@pytest.mark.parametrize("name", BINDS)
def test_the_version_changes_with(name: str) -> None:
    changes = dict(BINDS[name])
    rules = changes.pop("rules", (rule(),))
    now = written(*rules, **changes)
    assert now.digest != written(rule()).digest
    assert difference(as_signed(written(rule())), now)


@pytest.mark.parametrize("name", BINDS_NOT)
def test_the_version_stays_with(name: str) -> None:
    changes = dict(BINDS_NOT[name])
    rules = changes.pop("rules", (rule(),))
    now = written(*rules, **changes)
    assert now.digest == written(rule()).digest
    assert not difference(as_signed(written(rule())), now)


@given(st.permutations([rule(), rule("r2", verdict="deny"), by_hand("true", "r3"), rule("r4", mode="draft")]))
def test_no_order_of_rules_makes_another_version(rules: list[Any]) -> None:
    assert written(*rules) == written(
        rule(), rule("r2", verdict="deny"), by_hand("true", "r3"), rule("r4", mode="draft")
    )


def test_a_difference_is_told_in_sentences() -> None:
    signed = as_signed(written(rule(), measures=(measure(),)))
    looser = rule(
        sentence="Invoices above 20,000.00 EUR need a person.", condition="amount > 2000000", value="20000.00"
    )
    changed = difference(json.loads(json.dumps(signed)), written(looser, measures=(measure(ceiling=30),)))
    assert [text.split(" Exactly")[0] for text in changed.added] == [
        "Invoices above 20,000.00 EUR need a person.",
        "Invoices posted: at most 30 per day. Counted together for the whole company. What is more is refused.",
    ]
    assert len(changed.removed) == 2
    behind = difference(as_signed(written(by_hand("amount > 1"))), written(by_hand("amount > 2")))
    assert (behind.added, behind.removed) == ((), ())
    assert behind.reworded[0].startswith("Invoices above 10,000.00 EUR need a person.")


def test_lengths_of_time_and_keys_are_spoken() -> None:
    assert [span(it) for it in (1, 60, 90, 7200, 86_400)] == [
        "second",
        "minute",
        "90 seconds",
        "2 hours",
        "day",
    ]
    assert spoken("agent.code + args.supplier.name") == "agent code and supplier name"


def test_a_budget_binds_without_any_grant_and_says_what_becomes_of_more() -> None:
    tokens = measure(
        measure_id="m-9", code="tokens", name="Model use", operations="*", key="run", unit="tokens", amount="1",
        window="ever", ceiling=400_000, on_exceed="pause",
    )  # fmt: skip
    cost = replace(
        tokens, measure_id="m-8", code="cost", name="Cost of models", key="", unit="cost", window="day",
        ceiling=5_000_000, on_exceed="hold",
    )  # fmt: skip
    contract = written(measures=(tokens, cost), grants=frozenset())
    assert says(contract, "limits") == [
        "Cost of models: at most 5.00 EUR of model use per day. "
        "Once it is spent, whatever it asks for in that time waits for a person. "
        "Counted together for the whole company.",
        "Model use: at most 400,000 tokens of model use in each run. "
        "Once it is spent, whatever it asks for in that run is refused, and the agent is paused.",
    ]
    elsewhere = replace(tokens, scope_kind="agent", scope_id="another")
    assert says(written(measures=(elsewhere,)), "limits") == []
    more = written(measures=(replace(tokens, ceiling=500_000),), grants=frozenset())
    assert more.digest != written(measures=(tokens,), grants=frozenset()).digest


def test_a_budget_of_one_is_no_rule_against_doing_something_twice() -> None:
    one = measure(
        measure_id="m-9", code="tokens", name="Model use", operations="*", key="run", unit="tokens", amount="1",
        window="ever", ceiling=1,
    )  # fmt: skip
    assert says(written(measures=(one,)), "limits")[0].startswith(
        "Model use: at most 1 tokens of model use in each"
    )


def test_a_sequence_rule_says_what_has_to_have_been_done_before() -> None:
    checked = measure(
        measure_id="m-7", code="checked", name="Invoices checked", operations="erp.party.create",
        key="args.name", window="ever", ceiling=None, read_for="erp.supplier_invoice.post",
        read_key="args.supplier",
    )  # fmt: skip
    after = replace(
        by_hand("measures.checked.settled < 1", verdict="deny"),
        sentence="An invoice is posted only after it was checked",
    )
    contract = written(after, measures=(checked,))
    (said,) = [it for it in says(contract, "never") if "only after" in it]
    assert (
        "It goes by what is counted as “Invoices checked”: in all, for ever, apart for each name, "
        "and read here for its supplier." in said
    )
    other = written(after, measures=(replace(checked, key="args.number"),))
    assert other.digest != contract.digest, "what it goes by binds, too"
    assert written(after, measures=(replace(checked, measure_id="m-1"),)).digest == contract.digest


def test_who_decides_later_is_said_in_words_of_time() -> None:
    later = replace(rule(), levels=(NextLevel(1440, group="Managers"),))
    (said,) = [it for it in says(written(later), "ask") if "Undecided" in it]
    assert "Undecided after 1 day, Managers may decide it, too." in said
