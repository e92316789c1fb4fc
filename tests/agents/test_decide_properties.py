"""The four promises of the decision: total, monotonic, order independent, deny by default."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.decision import ApprovalFacts, Decision, GrantFacts, Snapshot, StopFacts, Verdict, decide
from agents.decision.direction import Direction, direction_of_rule
from agents.decision.facts import ORDINARY_APPROVERS
from tests.agents.facts import GRANT, by_hand, invoice, measure, post_invoice, reading, request, robo, snapshot

ORDER = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.DENY: 2}
CONDITIONS = [
    "",
    "true",
    "false",
    "amount > 1000000",
    "amount <= 1000000",
    "args.iban == 'X'",
    "has(args.iban) && args.iban == 'X'",
    "args.supplier > 3",
    "1 +",
    "args.days in [1, 2]",
    "measures.invoices_per_day.settled == 0",
    "agent.risk_tier == 'high'",
    "nobody.knows",
    "args.supplier",
]
rules = st.builds(
    by_hand,
    st.sampled_from(CONDITIONS),
    rule_id=st.uuids().map(str),
    verdict=st.sampled_from(["deny", "hold", "none", "strange"]),
    mode=st.sampled_from(["draft", "shadow", "enforced", "strange"]),
    operations=st.sampled_from(["*", "erp.*", "crm.*", "erp.supplier_invoice.post", "not a pattern!"]),
    effects=st.sampled_from([(), ("financial",), ("read",), ("strange",)]),
    scope_kind=st.sampled_from(["company", "department", "role", "agent", "strange"]),
    scope_id=st.sampled_from(["", "finance", "role-1", "agent-1"]),
    quorum=st.integers(-1, 4),
    approver_group=st.sampled_from(["", "Approvers", "Directors"]),
    version=st.integers(1, 3),
    stage=st.integers(-1, 6),
    step_up=st.booleans(),
)
measures = st.builds(
    measure,
    measure_id=st.uuids().map(str),
    ceiling=st.sampled_from([None, 0, 1, 20]),
    on_exceed=st.sampled_from(["deny", "hold", "pause", "strange"]),
    mode=st.sampled_from(["draft", "shadow", "enforced", "strange"]),
    unit=st.sampled_from(["count", "money", "records", "failures", "running", "strange"]),
    window=st.sampled_from(["call", "minute", "day", "ever", "strange"]),
    scope_kind=st.sampled_from(["company", "strange"]),
)
agents = st.builds(
    robo,
    autonomy=st.sampled_from(["by_contract", "by_contract", "hold_writes", "read_only"]),
    brake=st.sampled_from(["none", "none", "none", "paused"]),
    group_ids=st.sampled_from([frozenset({"7"}), frozenset({"7"}), frozenset()]),
    on_probation=st.booleans(),
)
requests = st.builds(
    request,
    minor=st.integers(-5, 3_000_000),
    currency=st.sampled_from(["EUR", "USD"]),
    rate=st.sampled_from([1, 1, 2, None]),
    agent=agents,
    arguments=st.sampled_from([invoice(), invoice(iban="X"), invoice(days=1)]),
    measures=st.sampled_from(
        [
            {},
            {"invoices_per_day": reading()},
            {"invoices_per_day": reading(settled=20)},
            {"invoices_per_day": reading(settled=1, reserved=18)},
            {"invoices_per_day": reading(error="x")},
        ]
    ),
    operation=st.sampled_from([post_invoice(), post_invoice(effect="read"), None]),
)
snapshots = st.builds(
    lambda found, limits, stops: snapshot(*found, measures=tuple(limits), stops=tuple(stops)),
    st.lists(rules, max_size=5),
    st.lists(measures, max_size=2),
    st.lists(st.just(StopFacts("s", "agent", "agent-1", "Robo", "why")), max_size=1),
)


def _asked(decision):
    return set(decision.obligations.approver_groups or (ORDINARY_APPROVERS,))


def _stages(decision):
    return {
        stage.number: (set(stage.groups or (ORDINARY_APPROVERS,)), stage.quorum)
        for stage in decision.obligations.stages
    }


@given(requests, snapshots, rules)
def test_adding_a_rule_never_allows_more(asked, loaded, added):
    before, after = decide(asked, loaded), decide(asked, replace(loaded, rules=(*loaded.rules, added)))
    assert ORDER[after.verdict] >= ORDER[before.verdict]
    assert after.obligations.quorum >= before.obligations.quorum
    if before.verdict == after.verdict == Verdict.HOLD:
        assert _asked(after) >= _asked(before)
        assert after.obligations.step_up >= before.obligations.step_up
    for number, (groups, quorum) in _stages(before).items():
        more_groups, more_people = _stages(after)[number]
        assert more_groups >= groups
        assert more_people >= quorum


@given(requests, snapshots)
def test_a_hold_asks_at_some_stage_and_for_as_many_people_as_all_stages(asked, loaded):
    decision = decide(asked, loaded)
    stages = decision.obligations.stages
    assert [stage.number for stage in stages] == sorted({stage.number for stage in stages})
    assert all(stage.quorum >= 1 for stage in stages)
    if decision.verdict == Verdict.HOLD:
        assert decision.obligations.quorum == sum(stage.quorum for stage in stages) > 0


WHO_DECIDES = ("verdict", "approver_group", "quorum", "stage", "step_up", "mode")


@given(requests, snapshots, rules, rules, st.sets(st.sampled_from(WHO_DECIDES), min_size=1))
def test_a_change_that_does_not_loosen_asks_nobody_less(asked, loaded, old, other, fields):
    loaded = replace(loaded, rules=(*loaded.rules, old))
    new = replace(old, **{name: getattr(other, name) for name in fields})
    if direction_of_rule(old, new) is Direction.LOOSENS:
        return
    changed = tuple(new if rule is old else rule for rule in loaded.rules)
    before, after = decide(asked, loaded), decide(asked, replace(loaded, rules=changed))
    assert ORDER[after.verdict] >= ORDER[before.verdict]
    if after.verdict == Verdict.HOLD == before.verdict:
        for number, (groups, quorum) in _stages(before).items():
            more_groups, more_people = _stages(after)[number]
            assert more_groups >= groups
            assert more_people >= quorum
        assert after.obligations.step_up >= before.obligations.step_up


@given(requests, snapshots, measures)
def test_adding_a_limit_never_allows_more(asked, loaded, added):
    after = decide(asked, replace(loaded, measures=(*loaded.measures, added)))
    assert ORDER[after.verdict] >= ORDER[decide(asked, loaded).verdict]


@given(requests, snapshots, st.randoms())
def test_order_means_nothing(asked, loaded, chance):
    def shuffled(items):
        items = list(items)
        chance.shuffle(items)
        return tuple(items)

    other = replace(
        loaded,
        rules=shuffled(loaded.rules),
        measures=shuffled(loaded.measures),
        stops=shuffled(loaded.stops),
        grants=frozenset(shuffled(loaded.grants)),
    )
    assert decide(asked, other) == decide(asked, loaded)


@given(requests, snapshots)
def test_without_a_grant_nothing_is_permitted(asked, loaded):
    assert decide(asked, replace(loaded, grants=frozenset())).verdict == Verdict.DENY
    foreign = frozenset({GrantFacts("g", GRANT.operation, "user", "somebody else")})
    assert decide(asked, replace(loaded, grants=foreign)).verdict == Verdict.DENY


@given(requests, snapshots)
def test_an_approval_lifts_a_hold_of_its_own_binding_and_nothing_else(asked, loaded):
    plain = decide(asked, loaded)
    lifted = decide(replace(asked, approved=ApprovalFacts("a", plain.binding)), loaded)
    assert (lifted.verdict == Verdict.ALLOW) == (plain.verdict != Verdict.DENY)
    wrong = decide(replace(asked, approved=ApprovalFacts("a", "0" * 64)), loaded)
    assert wrong.verdict == plain.verdict


@given(requests, snapshots)
def test_only_enforced_rules_decide(asked, loaded):
    quiet = tuple(replace(rule, mode="shadow") for rule in loaded.rules)
    assert (
        decide(asked, replace(loaded, rules=quiet)).verdict == decide(asked, replace(loaded, rules=())).verdict
    )


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(json, json, snapshots, st.text())
def test_it_answers_whatever_it_is_given(arguments, provenance, loaded, condition):
    strange = replace(loaded, rules=(*loaded.rules, by_hand(condition)))
    decision = decide(request(1, arguments=arguments, provenance=provenance), strange)
    assert isinstance(decision, Decision)
    assert len(decision.sentence) <= 500


@given(json)
def test_even_things_that_are_no_request_are_answered_with_no(thing):
    assert decide(thing, Snapshot()).verdict == Verdict.DENY
    assert decide(request(1), thing).verdict == Verdict.DENY


def test_the_same_question_has_the_same_answer():
    asked, loaded = request(), snapshot(by_hand("amount > 1"))
    answers = {decide(asked, loaded).binding for _ in range(random.randint(2, 4))}
    assert len(answers) == 1
