from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict, decide
from agents.decision.comparison import condition_of, field_facts
from agents.decision.direction import Direction, direction_of_measure, direction_of_rule
from tests.agents.facts import by_hand, invoice, measure, post_invoice, request, rule, snapshot

SAME, TIGHTER, LOOSER = Direction.NONE, Direction.TIGHTENS, Direction.LOOSENS


def built(field: str, comparison: str, value: str, **changes):
    facts = field_facts(field, [post_invoice()])
    condition = condition_of(
        field=field,
        comparison=comparison,
        value=value,
        currency="EUR",
        kind=facts.kind,
        optional=facts.optional,
    )
    return rule(field=field, comparison=comparison, value=value, condition=condition, **changes)


def amount(comparison: str, value: str):
    return built("amount", comparison, value)


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        (amount("above", "10000"), amount("above", "5000"), TIGHTER),
        (amount("above", "5000"), amount("above", "10000"), LOOSER),
        (amount("above", "10,000.00"), amount("above", "10000"), SAME),
        (amount("above", "5000"), amount("at_least", "5000"), TIGHTER),
        (amount("at_least", "5000"), amount("above", "5000"), LOOSER),
        (amount("at_least", "5000"), amount("above", "4000"), TIGHTER),
        (amount("below", "10"), amount("below", "20"), TIGHTER),
        (amount("at_most", "20"), amount("below", "20"), LOOSER),
        (amount("above", "10"), amount("below", "10"), LOOSER),
        (built("args.supplier", "one_of", "A, B"), built("args.supplier", "one_of", "b; a; c"), TIGHTER),
        (built("args.supplier", "equal", "A"), built("args.supplier", "one_of", "A, B"), TIGHTER),
        (built("args.supplier", "one_of", "A, B"), built("args.supplier", "one_of", "A, C"), LOOSER),
        (built("args.iban", "none_of", "A, B"), built("args.iban", "none_of", "A"), TIGHTER),
        (built("args.iban", "not_equal", "A"), built("args.iban", "none_of", "A, B"), LOOSER),
        (built("args.supplier", "equal", "A"), built("args.number", "equal", "A"), LOOSER),
        (built("args.weight", "above", "2.5"), built("args.weight", "above", "2"), TIGHTER),
        (by_hand("amount > 1000000"), by_hand("amount > 500000"), LOOSER),
        (amount("above", "10"), by_hand("amount > 500"), LOOSER),
        (amount("above", "10"), by_hand(""), TIGHTER),
        (by_hand(""), amount("above", "10"), LOOSER),
        (rule(), rule(name="Other", sentence="Other words."), SAME),
        (rule(), None, LOOSER),
        (None, rule(), TIGHTER),
        (None, rule(mode="draft"), SAME),
        (rule(mode="shadow"), None, SAME),
        (rule(mode="shadow"), rule(), TIGHTER),
        (rule(), rule(mode="shadow"), LOOSER),
        (rule(), rule(verdict="deny"), TIGHTER),
        (rule(), rule(verdict="none"), LOOSER),
        (rule(), rule(quorum=2), TIGHTER),
        (rule(quorum=2), rule(), LOOSER),
        (rule(), rule(approver_group="A"), LOOSER),
        (rule(verdict="none"), rule(verdict="none", approver_group="A"), TIGHTER),
        (rule(approver_group="A"), rule(approver_group="B"), LOOSER),
        (rule(approver_group="A"), rule(), LOOSER),
        (rule(operations="erp.supplier_invoice.post"), rule(operations="erp.*"), TIGHTER),
        (rule(operations="erp.*"), rule(operations="erp.supplier_invoice.post"), LOOSER),
        (rule(operations="erp.*"), rule(operations="*"), TIGHTER),
        (rule(operations="erp.*.post"), rule(operations="erp.*"), TIGHTER),
        (rule(operations="e*p.*"), rule(operations="erp.*"), LOOSER),
        (rule(effects=("financial",)), rule(effects=()), TIGHTER),
        (rule(effects=()), rule(effects=("financial",)), LOOSER),
        (rule(effects=("write",)), rule(effects=("financial", "write")), TIGHTER),
        (rule(redact=("args.iban",)), rule(), LOOSER),
        (rule(quorum=2), rule(verdict="deny"), LOOSER),
        (rule(), rule(scope_kind="agent", scope_id="x"), LOOSER),
    ],
)
def test_the_direction_of_a_change_of_a_rule(old, new, direction):
    assert direction_of_rule(old, new, currency="EUR") == direction


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        (measure(), measure(ceiling=10), TIGHTER),
        (measure(), measure(ceiling=21), LOOSER),
        (measure(), measure(ceiling=None), LOOSER),
        (measure(ceiling=None), measure(), TIGHTER),
        (measure(), measure(on_exceed="hold"), LOOSER),
        (measure(on_exceed="hold"), measure(), TIGHTER),
        (measure(), measure(operations="*"), TIGHTER),
        (measure(operations="*"), measure(), LOOSER),
        (measure(), measure(key="args.supplier"), LOOSER),
        (measure(), measure(window="hour"), LOOSER),
        (measure(), measure(amount="2"), LOOSER),
        (measure(), measure(mode="shadow"), LOOSER),
        (measure(mode="shadow"), measure(), TIGHTER),
        (measure(mode="draft"), measure(mode="shadow"), SAME),
        (measure(mode="shadow"), measure(mode="draft"), SAME),
        (measure(), measure(name="Other"), SAME),
        (measure(), None, LOOSER),
        (None, measure(), TIGHTER),
        (measure(scope_kind="agent", scope_id="x"), measure(), TIGHTER),
        (measure(), measure(scope_kind="agent", scope_id="x"), LOOSER),
    ],
)
def test_the_direction_of_a_change_of_a_limit(old, new, direction):
    assert direction_of_measure(old, new) == direction


def test_what_rules_read_may_not_change_by_one_person():
    assert direction_of_measure(measure(), measure(ceiling=10), read_by_rules=True) == LOOSER
    assert direction_of_measure(measure(mode="shadow"), measure(mode="draft"), read_by_rules=True) == LOOSER
    assert direction_of_measure(measure(on_exceed="hold"), measure(), read_by_rules=True) == TIGHTER


ORDER = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.DENY: 2}
forms = st.one_of(
    st.builds(
        amount,
        st.sampled_from(["above", "at_least", "below", "at_most", "equal", "not_equal", "one_of", "none_of"]),
        st.sampled_from(["5", "10", "10.00", "20"]),
    ),
    st.builds(
        lambda comparison, value: built("args.supplier", comparison, value),
        st.sampled_from(["equal", "not_equal", "one_of", "none_of"]),
        st.sampled_from(["A", "a", "B"]),
    ),
    st.builds(
        lambda comparison, value: built("args.iban", comparison, value),
        st.sampled_from(["one_of", "none_of"]),
        st.sampled_from(["A", "A,B", "B,C"]),
    ),
)


@given(
    forms, forms,
    st.sampled_from(["deny", "hold", "none"]), st.sampled_from(["deny", "hold", "none"]),
    st.sampled_from(["enforced", "shadow"]),
    st.sampled_from(["erp.*", "*", "crm.*", "erp.supplier_invoice.post"]),
    st.sampled_from([499, 500, 501, 999, 1000, 1001, 2000, 2001]), st.sampled_from(["A", "B", "C"]),
    st.sampled_from([None, "A", "B"]),
)  # fmt: skip
def test_what_counts_as_tightening_never_lets_more_pass(
    old, new, verdict, new_verdict, mode, pattern, minor, supplier, iban
):
    from dataclasses import replace

    old = replace(old, verdict=verdict)
    new = replace(new, verdict=new_verdict, mode=mode, operations=pattern)
    if direction_of_rule(old, new, currency="EUR") == LOOSER:
        return
    arguments = invoice(minor, supplier=supplier, **({"iban": iban} if iban else {}))
    before = decide(request(minor, arguments=arguments), snapshot(old))
    after = decide(request(minor, arguments=arguments), snapshot(new))
    assert ORDER[after.verdict] >= ORDER[before.verdict]


def test_to_decide_at_another_stage_loosens_whichever_it_is():
    """Two of Finance, then two of Legal are four people; both at one stage are two."""
    finance = rule("a", condition="", approver_group="Finance", quorum=2)
    legal = replace(finance, rule_id="b", approver_group="Legal", stage=2)
    for old, new in ((legal, replace(legal, stage=1)), (finance, replace(finance, stage=2))):
        other = legal if old is finance else finance
        assert direction_of_rule(old, new) == LOOSER
        before, after = (decide(request(1), snapshot(it, other)).obligations for it in (old, new))
        assert (before.quorum, after.quorum) == (4, 2)


def test_the_second_sign_in_is_added_at_once_and_taken_away_by_two():
    plain = rule()
    assert direction_of_rule(plain, replace(plain, step_up=True)) == TIGHTER
    assert direction_of_rule(replace(plain, step_up=True), plain) == LOOSER


def test_how_many_whoever_is_asked_is_not_drawn_to_one_group_or_stage_in_silence():
    everywhere = rule(verdict="none", quorum=2)
    assert direction_of_rule(everywhere, replace(everywhere, approver_group="Mine")) == LOOSER
    assert direction_of_rule(everywhere, replace(everywhere, verdict="hold")) == LOOSER
    assert direction_of_rule(everywhere, replace(everywhere, verdict="deny")) == TIGHTER
    assert direction_of_rule(replace(everywhere, quorum=1), replace(everywhere, verdict="hold")) == TIGHTER
