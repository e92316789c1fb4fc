from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import registry
from agents.decision.authority import authority_difference
from agents.decision.said import NOTHING
from agents.models import Agent, AuthorityVersion, ChangeRequest, User
from agents.selectors import authority_now, difference, difference_of_change, present_authority
from agents.services import changes
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import (
    Operation,
    OperationGroupObjectPermission,
    OperationUserObjectPermission,
    System,
)
from connectors.selectors import (
    grant_facts,
    grant_panel,
    operation_facts,
    operations_for_agent,
    visible_systems,
    visible_to,
)
from connectors.services import (
    grant_operation,
    publish_operation,
    revoke_grant,
    set_operation_enabled,
)
from connectors.services.grants import foresee_grant
from tests.company import new_agent
from tests.connectors.conftest import PORTAL
from tests.fakes import FIND_MAPPING, FIND_SCHEMA, POST_MAPPING, POST_SCHEMA

WHY = "it needs this for its work"


def version() -> int:
    return AuthorityVersion.objects.get().version


@pytest.mark.django_db
def test_an_active_agent_gets_an_operation_when_a_second_person_agrees(
    book: dict[str, Any], robot: Agent, alice: Any, bob: Any
) -> None:
    before = version()
    asked = grant_operation(actor=alice.as_actor(), operation=book["post"], agent=robot, reason=WHY)
    assert isinstance(asked, ChangeRequest)
    assert asked.authority[0].startswith(f"Lets {robot.name} ")
    assert asked.authority[1] == f"Reaches one new system: {book['post'].system.name}."
    foreseen = foresee_grant(asked, present_authority())
    assert not operations_for_agent(robot).exists()
    with pytest.raises(Refusal):
        changes.apply_change(actor=alice.as_actor(), change_request=asked, reason="I agree with me")
    changes.apply_change(actor=bob.as_actor(), change_request=asked, reason="looks right")
    assert list(operations_for_agent(robot)) == [book["post"]]
    # What was read before is what it did: two worlds in which nothing is different.
    assert authority_difference(foreseen, present_authority())[0].text.startswith(NOTHING)
    assert version() > before
    assert {fact.holder_id for fact in grant_facts()} == {str(robot.user_id)}
    event = Event.objects.get(verb="connectors.operation_granted")
    assert (event.agent_id, event.reason) == (str(robot.pk), WHY)


@pytest.mark.django_db
@pytest.mark.parametrize("to", ["agent", "role"])
def test_what_a_grant_means_is_read_of_its_holder_alone_and_is_the_same(
    to: str, book: dict[str, Any], robot: Agent, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [new_agent(alice, f"other-{at}") for at in range(3)]
    holder = {"agent": robot} if to == "agent" else {"role": others[0].role}
    with monkeypatch.context() as patched:
        patched.setattr(difference, "present_authority", lambda: pytest.fail("all agents were read"))
        asked = grant_operation(actor=alice.as_actor(), operation=book["post"], reason=WHY, **holder)
    assert isinstance(asked, ChangeRequest)
    assert asked.authority == [said.text for said in difference_of_change(asked, present_authority())]


@pytest.mark.django_db
def test_a_draft_agent_gets_it_at_once(book: dict[str, Any], robot: Agent, alice: Any) -> None:
    Agent.objects.filter(pk=robot.pk).update(lifecycle="draft")
    robot.refresh_from_db()
    given = grant_operation(actor=alice.as_actor(), operation=book["post"], agent=robot, reason=WHY)
    assert isinstance(given, OperationUserObjectPermission)
    row = OperationUserObjectPermission.history.get()
    assert (row.history_user, row.history_change_reason) == (alice, WHY)


@pytest.mark.django_db
def test_two_grants_may_wait_and_the_same_one_not_twice(book: dict[str, Any], robot: Agent, alice: Any) -> None:
    actor = alice.as_actor()
    grant_operation(actor=actor, operation=book["post"], agent=robot, reason=WHY)
    grant_operation(actor=actor, operation=book["post"], role=robot.role, reason=WHY)
    with pytest.raises(Refusal) as refused:
        grant_operation(actor=actor, operation=book["post"], agent=robot, reason=WHY)
    assert refused.value.code == "already_proposed"


@pytest.mark.django_db
def test_a_grant_proposed_for_another_revision_is_stale(
    book: dict[str, Any], robot: Agent, alice: Any, bob: Any
) -> None:
    asked: Any = grant_operation(actor=alice.as_actor(), operation=book["post"], agent=robot, reason=WHY)
    publish_operation(
        actor=PORTAL,
        system=book["system"],
        code="fake.invoice.post",
        description="does more now",
        input_schema=POST_SCHEMA,
        mapping=POST_MAPPING,
        reason="a change",
    )
    with pytest.raises(Refusal) as refused:
        changes.apply_change(actor=bob.as_actor(), change_request=asked, reason="looks right")
    assert refused.value.code == "stale_target"


@pytest.mark.django_db
def test_what_somebody_may_use_is_not_given_other_content_by_one_person(
    book: dict[str, Any], robot: Agent, alice: Any, bob: Any
) -> None:
    grant_operation(actor=PORTAL, operation=book["find"], agent=robot, reason=WHY)
    harmless = {"system": book["system"], "code": "fake.invoice.find", "effect": "read", "reason": WHY}
    wanted: Any = publish_operation(
        actor=alice.as_actor(), input_schema=POST_SCHEMA, mapping=POST_MAPPING, **harmless
    )
    assert isinstance(wanted, ChangeRequest)
    assert "input schema, mapping" in wanted.summary
    found = Operation.objects.get(code="fake.invoice.find")
    assert (found.current_revision.number, found.current_revision.mapping) == (1, FIND_MAPPING)
    with pytest.raises(Refusal) as refused:
        changes.apply_change(actor=alice.as_actor(), change_request=wanted, reason="looks right to me")
    assert refused.value.code == "same_person"
    changes.apply_change(actor=bob.as_actor(), change_request=wanted, reason="looks right")
    found.refresh_from_db()
    assert (found.current_revision.number, found.current_revision.mapping) == (2, POST_MAPPING)


@pytest.mark.django_db
def test_a_look_up_counts_as_used_and_what_nobody_may_use_is_published_at_once(
    book: dict[str, Any], alice: Any
) -> None:
    given = {"actor": alice.as_actor(), "system": book["system"], "reason": WHY}
    find: Any = publish_operation(
        code="fake.invoice.find", input_schema=POST_SCHEMA, mapping=POST_MAPPING, **given
    )
    assert isinstance(find, ChangeRequest)
    post = publish_operation(
        code="fake.invoice.post", description="x", input_schema=POST_SCHEMA, mapping=POST_MAPPING, **given
    )
    assert isinstance(post, Operation)
    same = publish_operation(code="fake.invoice.find", input_schema=FIND_SCHEMA, mapping=FIND_MAPPING, **given)
    assert isinstance(same, Operation)


@pytest.mark.django_db
def test_a_publication_proposed_on_another_content_is_stale(
    book: dict[str, Any], robot: Agent, alice: Any, bob: Any
) -> None:
    grant_operation(actor=PORTAL, operation=book["post"], agent=robot, reason=WHY)
    given = {"system": book["system"], "code": "fake.invoice.post", "reason": WHY}
    parts = {"input_schema": POST_SCHEMA, "mapping": POST_MAPPING}
    wanted: Any = publish_operation(actor=alice.as_actor(), label_template="Invoice of 1 EUR", **given, **parts)
    publish_operation(actor=PORTAL, description="does more now", **given, **parts)
    with pytest.raises(Refusal) as refused:
        changes.apply_change(actor=bob.as_actor(), change_request=wanted, reason="looks right")
    assert refused.value.code == "stale_target"


@pytest.mark.django_db
def test_a_role_carries_grants_for_every_agent_of_it(book: dict[str, Any], robot: Agent) -> None:
    given = grant_operation(actor=PORTAL, operation=book["find"], role=robot.role, reason=WHY)
    assert isinstance(given, OperationGroupObjectPermission)
    assert list(operations_for_agent(robot)) == [book["find"]]
    assert "by its role" in str(grant_panel(robot, User(is_superuser=True, is_active=True)))


@pytest.mark.django_db
def test_taking_away_is_instant_and_recorded(book: dict[str, Any], robot: Agent, alice: Any) -> None:
    grant_operation(actor=PORTAL, operation=book["post"], agent=robot, reason=WHY)
    before = version()
    revoke_grant(actor=alice.as_actor(), operation=book["post"], agent=robot, reason="no longer needed")
    assert not operations_for_agent(robot).exists()
    assert version() > before
    assert Event.objects.filter(verb="connectors.operation_revoked").exists()
    assert OperationUserObjectPermission.history.filter(history_type="-").get().history_user == alice
    with pytest.raises(Refusal) as refused:
        revoke_grant(actor=alice.as_actor(), operation=book["post"], agent=robot, reason="no longer needed")
    assert refused.value.code == "not_granted"


@pytest.mark.django_db
def test_agents_and_people_without_the_right_grant_nothing(
    book: dict[str, Any], robot: Agent, mallory: Any, dave: Any, carol: Any
) -> None:
    for user in (robot.user, mallory, dave, carol):
        for change in (grant_operation, revoke_grant):
            with pytest.raises(Refusal):
                change(actor=user.as_actor(), operation=book["post"], agent=robot, reason=WHY)
    assert not grant_facts()


@pytest.mark.django_db
def test_grants_go_with_the_operation(book: dict[str, Any], robot: Agent) -> None:
    grant_operation(actor=PORTAL, operation=book["post"], agent=robot, reason=WHY)
    grant_operation(actor=PORTAL, operation=book["post"], role=robot.role, reason=WHY)
    book["post"].delete()
    assert not grant_facts()
    assert operation_facts("fake.invoice.post") is None


@pytest.mark.django_db
def test_even_a_raw_change_of_grants_changes_the_version_of_authority(
    book: dict[str, Any], robot: Agent
) -> None:
    grant_operation(actor=PORTAL, operation=book["post"], agent=robot, reason=WHY)
    grant_operation(actor=PORTAL, operation=book["post"], role=robot.role, reason=WHY)
    for table in ("userobjectpermission", "groupobjectpermission"):
        before = version()
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM connectors_operation{table}")
        assert version() > before


@pytest.mark.django_db
def test_what_is_switched_off_is_unknown(book: dict[str, Any], robot: Agent, alice: Any) -> None:
    grant_operation(actor=PORTAL, operation=book["post"], agent=robot, reason=WHY)
    assert registry.find_operation("fake.invoice.post")
    set_operation_enabled(actor=alice.as_actor(), operation=book["post"], enabled=False, reason="broken")
    assert registry.find_operation("fake.invoice.post") is None
    assert not operations_for_agent(robot).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        lambda operation: Operation.objects.filter(pk=operation.pk).update(is_enabled=False),
        lambda operation: Operation.objects.filter(pk=operation.pk).update(effect="destructive"),
        lambda operation: System.objects.filter(pk=operation.system_id).update(is_enabled=False),
        lambda operation: System.objects.filter(pk=operation.system_id).update(environment="sandbox"),
    ],
)
def test_what_a_decision_reads_of_an_operation_moves_with_the_version(
    book: dict[str, Any], change: Any
) -> None:
    code = book["post"].code
    before = authority_now().operation(code)
    assert before == registry.find_operation(code)
    change(book["post"])
    assert authority_now().operation(code) == registry.find_operation(code) != before


@pytest.mark.django_db
def test_people_see_by_right_and_agents_by_grant(
    book: dict[str, Any], robot: Agent, alice: Any, mallory: Any
) -> None:
    assert visible_to(alice).count() == 2
    assert visible_systems(alice).count() == 1
    assert not visible_to(mallory).exists()
    assert not visible_to(robot.user).exists()
    grant_operation(actor=PORTAL, operation=book["find"], agent=robot, reason=WHY)
    assert list(visible_to(robot.user)) == [book["find"]]
    assert not visible_systems(robot.user).exists()
    robot.user.is_active = False
    assert not visible_to(robot.user).exists()


@pytest.mark.django_db
def test_seeing_costs_the_same_however_many_there_are(book: dict[str, Any], robot: Agent) -> None:
    def queries() -> int:
        user = User.objects.get(pk=robot.user_id)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            for operation in visible_to(user):
                assert operation.system.name
                assert operation.current_revision.number
        return len(captured)

    grant_operation(actor=PORTAL, operation=book["find"], agent=robot, reason=WHY)
    few = queries()
    for number in range(8):
        more = publish_operation(
            actor=PORTAL,
            system=book["system"],
            code=f"fake.more.find{number}",
            name="Find more",
            effect="read",
            input_schema=FIND_SCHEMA,
            mapping=FIND_MAPPING,
            reason=WHY,
        )
        grant_operation(actor=PORTAL, operation=more, agent=robot, reason=WHY)
    assert queries() == few


@pytest.mark.django_db
def test_publishing_writes_a_revision_only_when_something_changed(book: dict[str, Any]) -> None:
    post = book["post"]
    usual = {
        "actor": PORTAL,
        "system": book["system"],
        "code": post.code,
        "input_schema": POST_SCHEMA,
        "mapping": POST_MAPPING,
        "reason": "again",
    }
    publish_operation(**usual)
    assert post.revisions.count() == 1
    changed = publish_operation(**usual, description="Other words for agents.")
    assert changed.current_revision.number == 2
    facts = operation_facts(post.code)
    assert facts
    assert (facts.revision, facts.money_path, facts.effect) == (2, "/total", "financial")
    first, second = post.revisions.order_by("number").values_list("schema_hash", flat=True)
    assert first != second


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"input_schema": {"type": "object"}}, "additionalProperties"),
        ({"mapping": {"request": {"method": "EVAL", "path": "/"}}}, "EVAL"),
        ({"mapping": {"request": {"method": "GET", "path": "/{x"}}}, "path"),
        ({"money_path": "/supplier"}, "money path"),
        ({"money_path": ""}, "amount"),
        ({"output_schema": {"type": "object", "properties": {"a": {"type": "number"}}}}, "output schema"),
    ],
)
def test_what_is_not_sound_is_not_published(book: dict[str, Any], change: dict[str, Any], word: str) -> None:
    usual = {
        "actor": PORTAL,
        "system": book["system"],
        "code": "fake.invoice.post",
        "input_schema": POST_SCHEMA,
        "mapping": POST_MAPPING,
        "reason": "a change",
    }
    with pytest.raises(Refusal) as refused:
        publish_operation(**{**usual, **change})
    assert refused.value.code == "invalid_operation"
    assert any(word in problem for problem in refused.value.detail["errors"])
    assert Operation.objects.get(code="fake.invoice.post").current_revision.number == 1


@pytest.mark.parametrize("part", ["input_schema", "output_schema", "mapping"])
@pytest.mark.django_db
def test_what_is_no_object_is_refused_in_words(book: dict[str, Any], part: str) -> None:
    given: dict[str, Any] = {"input_schema": {}, "output_schema": {}, "mapping": {}, part: "words"}
    with pytest.raises(Refusal, match=f"{part} must be a JSON object") as refused:
        publish_operation(
            actor=PORTAL, system=book["system"], code=book["post"].code, reason="a new version", **given
        )
    assert refused.value.code == "invalid_operation"
