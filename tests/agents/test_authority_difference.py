"""What a change of authority lets whom do, in sentences: pure, from facts before and after."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision.authority import Authority, authority_difference
from agents.decision.contract import Names
from agents.decision.direction import Direction, direction_of_measure, direction_of_rule
from agents.decision.facts import AgentFacts, GrantFacts, NextLevel, RuleFacts
from agents.decision.said import NOTHING
from tests.agents.facts import GRANT, by_hand, create_party, measure, post_invoice, robo, rule, snapshot
from tests.agents.test_direction import built

NAMES = Names(
    ordinary_approvers="Approvers",
    scopes={("role", "role-1"): "Bookkeeper", ("agent", "x"): "Xaver"},
    systems={"sys-1": "Tryton", "sys-2": "CRM"},
)
OPERATIONS = {it.code: it for it in (post_invoice(), create_party())}
BOOKKEEPER = robo(name="Bookkeeper")


def world(*rules: RuleFacts, agents: tuple[AgentFacts, ...] = (BOOKKEEPER,), **changes: Any) -> Authority:
    operations = changes.pop("operations", OPERATIONS)
    return Authority(snapshot(*rules, **changes), agents, operations, NAMES)


def said(before: Authority, after: Authority) -> list[str]:
    return [each.text for each in authority_difference(before, after)]


def of_rule(old: RuleFacts | None, new: RuleFacts | None, **changes: Any) -> list[str]:
    return said(*(world(*([it] if it else []), **changes) for it in (old, new)))


def amount(comparison: str, value: str, **changes: Any) -> RuleFacts:
    return built(
        "amount", comparison, value, **{"sentence": f"An amount {comparison} {value} waits", **changes}
    )


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        (
            amount("above", "10000"),
            amount("above", "20000"),
            [
                "Lets Bookkeeper post a supplier invoice up to 20,000.00 EUR without a person "
                "instead of up to 10,000.00 EUR."
            ],
        ),
        (
            amount("above", "10000"),
            amount("at_least", "5000"),
            [
                "Lets Bookkeeper post a supplier invoice only below 5,000.00 EUR without a person "
                "instead of up to 10,000.00 EUR."
            ],
        ),
        (
            amount("above", "10000", verdict="deny"),
            amount("above", "20000", verdict="deny"),
            ["Lets Bookkeeper post a supplier invoice up to 20,000.00 EUR instead of up to 10,000.00 EUR."],
        ),
        (rule(), None, ["Removes the hold for Bookkeeper: Invoices above 10,000.00 EUR need a person."]),
        (
            rule(verdict="deny"),
            rule(verdict="deny", mode="shadow"),
            [
                "Removes the refusal for Bookkeeper: Invoices above 10,000.00 EUR need a person. "
                "It is only recorded from now on (shadow)."
            ],
        ),
        (
            None,
            rule(quorum=2),
            [
                "Adds a hold for Bookkeeper: Invoices above 10,000.00 EUR need a person. "
                "Two people of Approvers must agree."
            ],
        ),
        (
            None,
            rule(approver_group="Legal", stage=2, step_up=True),
            [
                "Adds a hold for Bookkeeper: Invoices above 10,000.00 EUR need a person. "
                "One person of Legal must agree. At stage 2, once those before have agreed. "
                "Whoever approves must sign in again."
            ],
        ),
        (
            rule(stage=2, step_up=True),
            rule(),
            [
                "Who must agree for Bookkeeper decides at stage 1 instead of 2; with others that decide at "
                "that stage, fewer people may do: Invoices above 10,000.00 EUR need a person.",
                "Whoever approves for Bookkeeper need no longer sign in again just before: "
                "Invoices above 10,000.00 EUR need a person.",
            ],
        ),
        (
            rule(quorum=3),
            rule(quorum=2),
            [
                "Two people instead of three people must agree for Bookkeeper: "
                "Invoices above 10,000.00 EUR need a person."
            ],
        ),
        (
            rule(approver_group="Finance"),
            rule(),
            [
                "Approvers instead of Finance must agree for Bookkeeper: "
                "Invoices above 10,000.00 EUR need a person."
            ],
        ),
        (
            rule(verdict="deny"),
            rule(),
            [
                "Lets Bookkeeper do with the agreement of a person what was refused: "
                "Invoices above 10,000.00 EUR need a person."
            ],
        ),
        (
            by_hand("amount > 5"),
            by_hand("amount > 6"),
            [
                "Applies to other calls of Bookkeeper under the same words: "
                "Invoices above 10,000.00 EUR need a person. Read the condition."
            ],
        ),
        (
            rule(redact=("args.iban",)),
            rule(),
            ["Shows in records and on pages what was hidden of Bookkeeper: args.iban."],
        ),
        (
            rule(),
            rule(effects=("write",)),
            ["Removes the hold for Bookkeeper: Invoices above 10,000.00 EUR need a person."],
        ),
        (
            rule(operations="erp.*"),
            rule(operations="erp.supplier_invoice.post"),
            [
                "Speaks of erp.supplier_invoice.post (financial) instead of erp.* (financial): "
                "Invoices above 10,000.00 EUR need a person. "
                "For what agents at work may use today that is the same."
            ],
        ),
        (rule(), rule(name="Other"), [f"{NOTHING}: no agent at work is concerned."]),
        (
            rule(mode="draft"),
            rule(mode="shadow"),
            [f"{NOTHING}: the rule “Large invoices” decides nothing, before and after."],
        ),
        (
            rule(operations="crm.*"),
            None,
            [
                f"{NOTHING}: the rule “Large invoices” is no longer in force, "
                "and no agent at work is bound by it."
            ],
        ),
    ],
)
def test_what_a_change_of_a_rule_lets_whom_do(
    old: RuleFacts | None, new: RuleFacts | None, sentences: list[str]
) -> None:
    assert of_rule(old, new) == sentences


def test_what_is_looser_stands_first() -> None:
    found = authority_difference(world(rule(quorum=2)), world(rule(note="The tax", quorum=1)))
    assert [each.is_looser for each in found] == [True, False]


def test_nobody_takes_one_threshold_for_the_whole() -> None:
    other = amount("above", "15000", rule_id="rule-2", sentence="Above 15,000.00 two people must agree")
    before, after = world(amount("above", "10000"), other), world(amount("above", "20000"), other)
    assert said(before, after)[1:] == [
        "Another rule still applies to Bookkeeper before that: Above 15,000.00 two people must agree."
    ]
    careful = robo(name="Bookkeeper", autonomy="hold_writes")
    held = of_rule(amount("above", "10000"), amount("above", "20000"), agents=(careful,))
    assert held[1:] == ["Everything that Bookkeeper would write still waits for a person."]


def test_many_agents_are_counted_and_the_first_are_named() -> None:
    many = tuple(robo(agent_id=f"agent-{n}", name=f"Clerk {n}") for n in range(1, 13))
    assert of_rule(rule(), None, agents=many)[0].startswith(
        "Removes the hold for 12 agents (Clerk 1, Clerk 10, Clerk 11 and 9 others): "
    )
    assert "Clerk 1 and Clerk 2:" in of_rule(rule(), None, agents=many[:2])[0]


def test_a_draft_and_a_retired_agent_are_nobody_today() -> None:
    idle = (robo(lifecycle="draft"), robo(agent_id="agent-2", lifecycle="retired"))
    assert of_rule(rule(), None, agents=idle)[0].startswith(NOTHING)


def test_a_policy_that_binds_fewer_frees_the_others() -> None:
    other = robo(agent_id="agent-2", name="Clerk", role_id="role-2", group_ids=frozenset({"7"}))
    moved = rule(scope_kind="role", scope_id="role-1")
    assert of_rule(rule(), moved, agents=(BOOKKEEPER, other)) == [
        "Removes the hold for Clerk: Invoices above 10,000.00 EUR need a person."
    ]
    assert of_rule(rule(), moved) == [
        "Binds the role Bookkeeper instead of the whole company: Invoices above 10,000.00 EUR need a person. "
        "For agents at work today that is the same."
    ]


def test_a_grant_says_what_is_reached_anew_and_what_no_rule_speaks_of() -> None:
    crm = create_party(code="crm.contact.add", name="Add a contact", system_id="sys-2", system_code="crm")
    more = {GRANT, GrantFacts("grant-2", crm.code, "user", "user-1")}
    operations = {**OPERATIONS, crm.code: crm}
    before, after = world(operations=operations), world(operations=operations, grants=frozenset(more))
    assert said(before, after) == [
        "Lets Bookkeeper add a contact.",
        "Reaches one new system: CRM.",
        "No rule holds or refuses it when Bookkeeper would add a contact.",
    ]
    assert said(after, before) == ["Bookkeeper may no longer add a contact."]
    nobodys = world(operations=operations, grants=frozenset({*more, GrantFacts("g", crm.code, "group", "9")}))
    assert said(after, nobodys) == [f"{NOTHING}: no agent at work is concerned."]


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        (
            {"autonomy": "hold_writes"},
            {},
            "Bookkeeper does by itself what its contract allows; "
            "until now it has everything it writes approved by a person.",
        ),
        ({"lifecycle": "draft"}, {}, "Lets Bookkeeper start work: it may post a supplier invoice."),
        (
            {"risk_tier": "high"},
            {},
            "The harm a mistake of Bookkeeper could do is rated medium instead of high.",
        ),
        ({"role_id": "role-2"}, {}, "Binds Bookkeeper from now on: Only for bookkeepers."),
        ({}, {"role_id": "role-2"}, "No longer binds Bookkeeper: Only for bookkeepers."),
    ],
)
def test_what_a_change_of_an_agent_lets_it_do(old: dict[str, Any], new: dict[str, Any], first: str) -> None:
    ours = rule(scope_kind="role", scope_id="role-1", sentence="Only for bookkeepers")
    before, after = (world(ours, agents=(replace(BOOKKEEPER, **it),)) for it in (old, new))
    assert said(before, after)[0] == first


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ({}, {"ceiling": 30}, "Lets Bookkeeper reach 30 a day instead of 20 a day: Invoices posted."),
        ({}, {"ceiling": 10}, "Lets Bookkeeper reach only 10 a day instead of 20 a day: Invoices posted."),
        (
            {},
            {"mode": "draft"},
            "Removes the limit of Bookkeeper: Invoices posted, at most 20 a day; what is more is refused.",
        ),
        (
            {"mode": "draft"},
            {},
            "Limits Bookkeeper: Invoices posted, at most 20 a day; what is more is refused.",
        ),
        (
            {},
            {"on_exceed": "hold"},
            "What Bookkeeper would do above the limit waits for a person; until now it is refused: "
            "Invoices posted.",
        ),
        (
            {},
            {"key": "args.supplier"},
            "Counts otherwise for Bookkeeper, counted apart for each: args.supplier instead of nothing. "
            "Invoices posted.",
        ),
        ({"operations": "crm.*"}, {"operations": "crm.x"}, f"{NOTHING}: no agent at work is bound by the limit "
         "“Invoices posted”."),
    ],
)  # fmt: skip
def test_what_a_change_of_a_limit_lets_whom_do(old: dict[str, Any], new: dict[str, Any], first: str) -> None:
    before, after = (world(measures=(measure(**it),)) for it in (old, new))
    assert said(before, after)[0] == first


def test_who_reads_a_counter_is_named() -> None:
    reader = by_hand("measures.invoices_per_day.settled > 3", name="After three")
    before = world(reader, measures=(measure(mode="shadow"),))
    after = world(reader, measures=(measure(mode="shadow", key="args.supplier"),))
    assert said(before, after) == [
        "Other numbers reach “After three”, which read this limit: what they decide may change."
    ]


def test_names_and_sentences_stay_text_whatever_they_hold() -> None:
    odd = "{who} %s {0} <b>"
    assert odd in of_rule(rule(sentence=odd), None)[0]
    before, after = (world(measures=(measure(name=odd, mode=it),)) for it in ("enforced", "draft"))
    assert odd in said(before, after)[0]


rules = st.builds(
    lambda form, scope, changes: replace(form, scope_kind=scope[0], scope_id=scope[1], **changes),
    st.one_of(
        st.builds(
            amount, st.sampled_from(["above", "at_least", "below", "equal"]), st.sampled_from(["5", "10", "20"])
        ),
        st.builds(
            lambda comparison, value: built("args.supplier", comparison, value),
            st.sampled_from(["equal", "not_equal", "one_of", "none_of"]),
            st.sampled_from(["A", "B"]),
        ),
        st.sampled_from([by_hand("amount > 1"), by_hand("amount > 2"), by_hand("")]),
    ),
    st.sampled_from([("company", ""), ("role", "role-1"), ("agent", "agent-1"), ("agent", "x")]),
    st.fixed_dictionaries(
        {
            "operations": st.sampled_from(
                ["*", "erp.*", "erp.supplier_invoice.post", "crm.*", "not a pattern!"]
            ),
            "effects": st.sampled_from([(), ("financial",), ("financial", "write"), ("read",)]),
            "verdict": st.sampled_from(["deny", "hold", "none"]),
            "mode": st.sampled_from(["draft", "shadow", "enforced"]),
            "quorum": st.integers(1, 3),
            "approver_group": st.sampled_from(["", "A", "B"]),
            "stage": st.integers(1, 2),
            "step_up": st.booleans(),
            "note": st.sampled_from(["", "The tax"]),
            "redact": st.sampled_from([(), ("args.iban",), ("args.iban", "args.number")]),
        }
    ),
)


def reaches(found: RuleFacts) -> bool:
    """Say for the test itself, without the code under test, that a rule binds the bookkeeper's invoices."""
    bound = (found.scope_kind, found.scope_id) in {("company", ""), ("role", "role-1"), ("agent", "agent-1")}
    broken = found.operations == "not a pattern!"
    speaks = found.operations in {"*", "erp.*", "erp.supplier_invoice.post"} and (
        not found.effects or "financial" in found.effects
    )
    return bound and (broken or speaks) and found.mode == "enforced"


@given(old=rules, new=st.one_of(st.none(), rules))
def test_nothing_that_lets_more_pass_is_silent(old: RuleFacts, new: RuleFacts | None) -> None:
    loosens = direction_of_rule(old, new, currency="EUR") is Direction.LOOSENS
    found = authority_difference(world(old), world(*([new] if new else [])))
    assert found
    if loosens and reaches(old):
        loud = [each for each in found if not each.text.startswith(NOTHING)]
        assert loud, (old, new, found)
        # The services let a policy bind everybody at once; the direction of a rule alone calls any move looser.
        binds_all = new is not None and new.scope_kind == "company" != old.scope_kind
        assert binds_all or any(each.is_looser for each in loud), (old, new, found)


limits = st.fixed_dictionaries(
    {
        "ceiling": st.sampled_from([None, 5, 20]),
        "on_exceed": st.sampled_from(["deny", "hold", "pause"]),
        "mode": st.sampled_from(["draft", "shadow", "enforced"]),
        "operations": st.sampled_from(["*", "erp.*", "crm.*"]),
        "key": st.sampled_from(["", "args.supplier"]),
        "window": st.sampled_from(["day", "month"]),
        "scope_kind": st.just("company"),
    }
)


@given(old=limits, new=limits)
def test_no_limit_is_lifted_in_silence(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = measure(**old), measure(**new)
    found = authority_difference(world(measures=(before,)), world(measures=(after,)))
    reached = old["operations"] != "crm.*" and old["mode"] == "enforced" and old["ceiling"] is not None
    if reached and direction_of_measure(before, after) is Direction.LOOSENS:
        assert any(each.is_looser and not each.text.startswith(NOTHING) for each in found), (old, new, found)


@pytest.mark.parametrize("name", sorted(it.name for it in fields(RuleFacts)))
def test_every_field_of_a_rule_has_words_or_is_said_by_its_name(name: str) -> None:
    """A field that is added and forgotten here would let somebody agree to what they never saw."""
    other = {"effects": ("write", "financial"), "redact": ("x",), "quorum": 2, "version": 2, "mode": "shadow"}
    other |= {"remind_minutes": 30, "levels": (NextLevel(30, group="Chiefs"),), "clock": "working"}
    other |= {"stage": 2, "step_up": True}
    changed = replace(rule(), **{name: other.get(name, "agent" if name == "scope_kind" else "other.*")})
    silent = {"policy_id", "policy_code", "name", "sentence", "version", "field", "comparison", "value", "also"}
    silent |= {"rule_id"}  # another id is another rule
    found = of_rule(rule(), changed)
    assert (found == [f"{NOTHING}: no agent at work is concerned."]) is (name in silent - {"rule_id"}), found
