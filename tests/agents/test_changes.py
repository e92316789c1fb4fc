from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents import registry
from agents.models import ChangeRequest, Policy, Rule
from agents.services import changes, policies
from audit.vocabulary import Actor, Ref, Refusal
from tests.agents.authority import catalogue

pytestmark = pytest.mark.django_db
KIND = "tests.note"
WHY = "The auditors asked for it"


@pytest.fixture
def notes():
    """A kind of change that only remembers what it was told to do."""
    made: list[tuple[Actor, dict[str, Any]]] = []
    state = {"version": "1"}
    kept, listeners = dict(registry._change_kinds), list(registry._change_listeners)
    registry.register_change_kind(
        KIND, lambda actor, change: made.append((actor, change.payload)), lambda _: state["version"]
    )
    made_and_state = type("Notes", (), {"made": made, "state": state})
    yield made_and_state
    registry._change_kinds.clear()
    registry._change_kinds.update(kept)
    registry._change_listeners[:] = listeners


def proposal(somebody: Any, **changes_: Any) -> ChangeRequest:
    given = {
        "kind": KIND,
        "target": Ref("tests.thing", "1", "The thing"),
        "payload": {"say": "hello"},
        "summary": "Let the thing say hello.",
        "reason": WHY,
        "target_version": "1",
        **changes_,
    }
    return changes.propose_change(actor=somebody.as_actor(), **given)


def refused(code: str, call: Any, **arguments: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        call(reason=WHY, **arguments)
    assert refusal.value.code == code


def test_another_person_applies_exactly_what_was_proposed(notes, alice, bob):
    request = proposal(alice)
    assert notes.made == []
    applied = changes.apply_change(actor=bob.as_actor(), change_request=request, reason=WHY)
    assert (applied.state, applied.approver, applied.decision_reason) == ("applied", bob, WHY)
    assert notes.made == [(bob.as_actor(), {"say": "hello"})]
    assert applied.history.latest().history_user == bob


def test_nobody_applies_or_rejects_their_own_proposal(notes, alice):
    request = proposal(alice)
    refused("same_person", changes.apply_change, actor=alice.as_actor(), change_request=request)
    refused("same_person", changes.reject_change, actor=alice.as_actor(), change_request=request)
    assert notes.made == []


def test_agents_processes_and_people_without_the_right_are_refused(notes, alice, mallory, dave, working):
    request = proposal(alice)
    disguised = Actor(mallory.as_actor().kind, str(working.user_id), "Robo")
    for actor in (working.user.as_actor(), disguised, Actor.system("worker")):
        refused("not_a_person", changes.apply_change, actor=actor, change_request=request)
    for somebody in (mallory, dave):
        refused("permission_missing", changes.apply_change, actor=somebody.as_actor(), change_request=request)
    assert notes.made == []


def test_agents_and_processes_propose_nothing(notes, working):
    with pytest.raises(Refusal):
        proposal(working.user)
    with pytest.raises(Refusal):
        changes.propose_change(
            actor=Actor.system("x"), kind=KIND, target=Ref("a", "b"), payload={}, summary="s", reason=WHY
        )


def test_what_is_decided_stays_decided(notes, alice, bob):
    request = proposal(alice)
    changes.reject_change(actor=bob.as_actor(), change_request=request, reason=WHY)
    refused("already_decided", changes.apply_change, actor=bob.as_actor(), change_request=request)
    refused("already_decided", changes.withdraw_change, actor=alice.as_actor(), change_request=request)


def test_only_the_proposer_withdraws(notes, alice, bob):
    request = proposal(alice)
    refused("not_the_proposer", changes.withdraw_change, actor=bob.as_actor(), change_request=request)
    assert (
        changes.withdraw_change(actor=alice.as_actor(), change_request=request, reason=WHY).state == "withdrawn"
    )


@pytest.mark.parametrize(
    "altered", [{"payload": {"say": "goodbye"}}, {"target_id": "2"}, {"kind": "agents.rule.remove"}]
)
def test_a_proposal_that_was_altered_is_refused(notes, alice, bob, altered):
    request = proposal(alice)
    ChangeRequest.objects.filter(pk=request.pk).update(**altered)
    refused("payload_changed", changes.apply_change, actor=bob.as_actor(), change_request=request)


def test_a_target_that_moved_on_is_refused(notes, alice, bob):
    request = proposal(alice)
    notes.state["version"] = "2"
    refused("stale_target", changes.apply_change, actor=bob.as_actor(), change_request=request)
    assert ChangeRequest.objects.get().state == "pending"


def test_one_change_of_a_kind_waits_at_a_time(notes, alice, bob):
    proposal(alice)
    with pytest.raises(Refusal) as refusal:
        proposal(bob)
    assert refusal.value.code == "already_proposed"


def test_a_kind_nobody_can_apply_is_not_proposed(alice):
    with pytest.raises(KeyError):
        proposal(alice, kind="tests.unknown")


def test_listeners_hear_of_everything_in_the_same_transaction(notes, alice, bob):
    heard: list[str] = []
    registry.on_change_request(lambda actor, request: heard.append(request.state))
    request = proposal(alice)
    changes.apply_change(actor=bob.as_actor(), change_request=request, reason=WHY)
    assert heard == ["pending", "applied"]

    def fails(actor: Actor, request: ChangeRequest) -> None:
        raise Refusal("no_room", "No approval could be opened.")

    registry.on_change_request(fails)
    with pytest.raises(Refusal):
        proposal(alice)
    assert ChangeRequest.objects.count() == 1


def test_a_change_that_cannot_be_applied_stays_pending(notes, alice, bob):
    def fails(actor: Actor, request: ChangeRequest) -> None:
        raise Refusal("gone", "The thing is gone.")

    registry.register_change_kind(KIND, fails)
    request = proposal(alice)
    refused("gone", changes.apply_change, actor=bob.as_actor(), change_request=request)
    assert ChangeRequest.objects.get().state == "pending"


def test_the_database_itself_wants_another_person(notes, alice, working):
    request = proposal(alice)
    for approver in (alice.pk, working.user_id):
        with pytest.raises(IntegrityError), transaction.atomic():
            ChangeRequest.objects.filter(pk=request.pk).update(
                state="applied", approver=approver, decided_at=timezone.now()
            )


# --- Rules: tightening at once, loosening by two.


@pytest.fixture
def operations():
    with catalogue():
        yield


@pytest.fixture
def threshold(operations, alice) -> Rule:
    """Hold above 10,000.00 EUR, as the form in the admin makes it."""
    return policies.create_rule(
        actor=alice.as_actor(),
        policy=Policy.objects.get(code="company"),
        content={
            "name": "Large invoices",
            "operations": "erp.*",
            "effects": ["financial"],
            "field": "amount",
            "comparison": "above",
            "value": "10,000.00",
            "mode": "enforced",
        },
        reason=WHY,
    )


def change(somebody: Any, rule: Rule, **wanted: Any) -> policies.RuleChange:
    return policies.propose_rule_change(actor=somebody.as_actor(), rule=rule, changes=wanted, reason=WHY)


def test_the_form_writes_the_condition_and_the_sentence(threshold):
    assert threshold.condition == "amount > 1000000"
    assert threshold.sentence == "An amount above 10,000.00 EUR needs a person"


def test_a_lower_threshold_counts_at_once_and_a_higher_one_waits(threshold, alice, bob):
    lowered = change(alice, threshold, value="5000.00")
    assert lowered.applied is True
    assert (lowered.rule.condition, lowered.rule.version) == ("amount > 500000", 2)
    assert lowered.rule.sentence == "An amount above 5,000.00 EUR needs a person"
    raised = change(alice, threshold, value="10000.00")
    assert raised.applied is False
    assert Rule.objects.get().condition == "amount > 500000"
    assert "value 5000.00 becomes 10000.00" in raised.change_request.summary
    refused("same_person", changes.apply_change, actor=alice.as_actor(), change_request=raised.change_request)
    changes.apply_change(actor=bob.as_actor(), change_request=raised.change_request, reason=WHY)
    rule = Rule.objects.get()
    assert (rule.condition, rule.version) == ("amount > 1000000", 3)
    assert rule.sentence == "An amount above 10,000.00 EUR needs a person"


def test_the_sentence_follows_the_form_unless_somebody_wrote_their_own(threshold, alice):
    assert (
        change(alice, threshold, value="5000.00").rule.sentence == "An amount above 5,000.00 EUR needs a person"
    )
    own = change(alice, threshold, sentence="Big ones need Bob").rule
    assert change(alice, own, value="4000.00").rule.sentence == "Big ones need Bob"


def test_every_change_is_a_version_of_the_policy(threshold, alice):
    change(alice, threshold, value="5000.00")
    policy = Policy.objects.get(code="company")
    assert policy.version == 2
    newest, before = policy.versions.all()
    assert [version.content["rules"][0]["value"] for version in (newest, before)] == ["5000.00", "10,000.00"]
    assert newest.digest != before.digest


@pytest.mark.parametrize(
    "wanted",
    [
        {"mode": "shadow"},
        {"verdict": "none", "note": "x"},
        {"operations": "erp.supplier_invoice.post"},
        {"condition": "amount > 1"},
        {"comparison": "below"},
    ],
)
def test_what_may_let_more_pass_waits_for_a_second_person(threshold, alice, wanted):
    assert change(alice, threshold, **wanted).applied is False


def test_removing_an_enforced_rule_waits_for_a_second_person(threshold, alice, bob):
    removal = policies.remove_rule(actor=alice.as_actor(), rule=threshold, reason=WHY)
    assert removal.applied is False
    changes.apply_change(actor=bob.as_actor(), change_request=removal.change_request, reason=WHY)
    assert not Rule.objects.exists()
    assert Rule.history.filter(history_type="-").get().history_user == bob


def test_a_change_of_a_rule_that_has_changed_meanwhile_is_refused(threshold, alice, bob):
    waiting = change(alice, threshold, value="20000.00").change_request
    Rule.objects.update(quorum=2)
    refused("stale_target", changes.apply_change, actor=bob.as_actor(), change_request=waiting)


def test_a_draft_may_be_nonsense_but_nonsense_is_not_published(operations, alice):
    content = {"name": "Nonsense", "condition": "args.nobody > 1", "operations": "erp.supplier_invoice.post"}
    policy = Policy.objects.get(code="company")
    rule = policies.create_rule(actor=alice.as_actor(), policy=policy, content=content, reason=WHY)
    with pytest.raises(Refusal) as refusal:
        change(alice, rule, mode="enforced")
    assert refusal.value.code == "rule_refused"
    assert refusal.value.detail["findings"][0]["code"] == "field_unknown"


def test_only_who_may_publish_changes_rules(threshold, dave, bob, mallory, working):
    for somebody in (dave, bob, mallory, working.user):
        with pytest.raises(Refusal):
            change(somebody, threshold, value="1.00")


def test_limits_follow_the_same_way(operations, alice, bob):
    measure = policies.create_measure(
        actor=alice.as_actor(),
        content={
            "code": "per_day",
            "name": "Invoices per day",
            "operations": "erp.supplier_invoice.post",
            "ceiling": 20,
            "mode": "enforced",
        },
        reason=WHY,
    )
    lower = policies.propose_measure_change(
        actor=alice.as_actor(), measure=measure, changes={"ceiling": 10}, reason=WHY
    )
    assert (lower.applied, lower.measure.ceiling) == (True, 10)
    higher = policies.propose_measure_change(
        actor=alice.as_actor(), measure=measure, changes={"ceiling": 30}, reason=WHY
    )
    assert higher.applied is False
    changes.apply_change(actor=bob.as_actor(), change_request=higher.change_request, reason=WHY)
    measure.refresh_from_db()
    assert (measure.ceiling, measure.version) == (30, 3)


def test_a_policy_is_widened_at_once_and_narrowed_by_two(threshold, alice, bob):
    policy = Policy.objects.get(code="company")
    narrowed = policies.propose_policy_move(
        actor=alice.as_actor(), policy=policy, scope_kind="agent", scope_id="x", reason=WHY
    )
    assert narrowed.applied is False
    changes.apply_change(actor=bob.as_actor(), change_request=narrowed.change_request, reason=WHY)
    policy.refresh_from_db()
    assert policy.scope_kind == "agent"
    widened = policies.propose_policy_move(
        actor=alice.as_actor(), policy=policy, scope_kind="company", reason=WHY
    )
    assert widened.applied is True
