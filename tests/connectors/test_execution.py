from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Ref, Refusal
from connectors.models import Authorization, Call
from connectors.policies.digests import reference_of
from connectors.services import execute, publish_operation
from connectors.services.authorizations import mint_authorization
from tests.connectors.conftest import PORTAL, authorized
from tests.fakes import POST_SCHEMA, FakeSystem, arguments


def run(book: dict[str, Any], given: dict[str, Any] | None = None, **more: Any) -> Any:
    given = given or arguments()
    passed = authorized(book["post"], given, **more)
    return execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])


@pytest.mark.django_db
def test_an_authorized_call_is_made_once_and_leaves_its_evidence(
    book: dict[str, Any], fake: FakeSystem
) -> None:
    result = run(book)
    assert (result.outcome, result.remote_ref, result.output["state"]) == ("confirmed", "inv-1", "posted")
    assert fake.effects[0]["amount"] == "123.00"
    assert fake.effects[0]["reference"] == reference_of("action-1")
    call = Call.objects.get(pk=result.call_id)
    assert (call.outcome, call.status, call.action_id) == ("confirmed", 201, "action-1")
    assert call.request_summary[0]["path"] == "/invoices"
    assert "inv-1" in call.response_excerpt
    verbs = list(Event.objects.filter(action_id="action-1").order_by("id").values_list("verb", flat=True))
    assert verbs == ["connectors.call_begun", "connectors.call_finished"]


@pytest.mark.django_db
def test_a_used_authorization_is_refused(book: dict[str, Any], fake: FakeSystem) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    with pytest.raises(Refusal) as refused:
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert refused.value.code == "authorization_used"
    assert fake.count() == 1
    assert Event.objects.get(verb="connectors.call_refused").code == "authorization_used"


@pytest.mark.django_db
def test_one_changed_byte_is_refused_and_uses_nothing_up(book: dict[str, Any], fake: FakeSystem) -> None:
    passed = authorized(book["post"], arguments(minor=100))
    with pytest.raises(Refusal) as refused:
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=arguments(minor=101), stop_scopes=[])
    assert refused.value.code == "arguments_changed"
    assert fake.count() == 0
    assert Authorization.objects.get(pk=passed.pk).consumed_at is None
    assert not Call.objects.exists()


@pytest.mark.django_db
def test_an_expired_authorization_is_refused_by_the_clock_of_the_database(
    book: dict[str, Any], fake: FakeSystem
) -> None:
    given = arguments()
    passed = authorized(book["post"], given, seconds=-1)
    with pytest.raises(Refusal) as refused:
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert refused.value.code == "authorization_expired"
    assert fake.count() == 0


@pytest.mark.django_db
def test_an_unknown_authorization_is_refused(book: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        execute(
            actor=PORTAL,
            authorization_id="0199f000-0000-7000-8000-000000000000",
            arguments=arguments(),
            stop_scopes=[],
        )
    assert refused.value.code == "authorization_unknown"


@pytest.mark.django_db
def test_an_authorization_for_an_older_revision_is_refused(book: dict[str, Any], fake: FakeSystem) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    schema = {**POST_SCHEMA, "properties": {**POST_SCHEMA["properties"], "extra": {"type": "boolean"}}}
    post = book["post"]
    publish_operation(
        actor=PORTAL,
        system=book["system"],
        code=post.code,
        input_schema=schema,
        mapping=post.current_revision.mapping,
        reason="one more field",
    )
    with pytest.raises(Refusal) as refused:
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert refused.value.code == "operation_changed"
    assert fake.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mode", "outcome", "code", "effects"),
    [
        ("effect_then_500", "unknown", "status_500", 1),
        ("effect_then_reset", "unknown", "connection_lost", 1),
        ("effect_then_html", "unknown", "status_200", 1),
        ("effect_then_hang", "unknown", "timeout", 1),
        ("reset", "unknown", "connection_lost", 0),
        ("503", "unknown", "status_503", 0),
        ("429", "failed", "busy", 0),
        ("422", "failed", "status_422", 0),
    ],
)
def test_what_is_not_known_to_have_failed_is_unknown(
    book: dict[str, Any], fake: FakeSystem, mode: str, outcome: str, code: str, effects: int
) -> None:
    fake.fail_next(mode)
    result = run(book)
    assert (result.outcome, result.error_code, fake.count()) == (outcome, code, effects)
    call = Call.objects.get(pk=result.call_id)
    assert (call.outcome, call.error_code) == (outcome, code)
    assert call.finished_at


@pytest.mark.django_db
def test_a_system_that_is_not_there_was_not_sent_anything(book: dict[str, Any], fake: FakeSystem) -> None:
    fake.stop()
    result = run(book)
    assert (result.outcome, result.error_code, result.temporary) == ("failed", "unreachable", True)


@pytest.mark.django_db
def test_a_later_attempt_that_was_not_sent_leaves_an_unresolved_one_unknown(
    book: dict[str, Any], fake: FakeSystem
) -> None:
    fake.fail_next("effect_then_500")
    assert run(book).outcome == "unknown"
    fake.stop()
    assert run(book).outcome == "unknown"


@pytest.mark.django_db
def test_the_secret_of_an_account_never_reaches_the_record(book: dict[str, Any], fake: FakeSystem) -> None:
    given = arguments(note=f"echo {fake.key}")
    result = run(book, given)
    call = Call.objects.get(pk=result.call_id)
    assert fake.key not in call.response_excerpt
    assert fake.key not in str(list(Event.objects.values_list("sentence", "payload__data")))


@pytest.mark.django_db
def test_a_finished_call_and_a_used_authorization_are_never_changed(book: dict[str, Any]) -> None:
    result = run(book)
    call = Call.objects.get(pk=result.call_id)
    for change in (
        "UPDATE connectors_call SET outcome = 'failed'",
        "DELETE FROM connectors_call",
        "UPDATE connectors_authorization SET consumed_at = NULL",
        "UPDATE connectors_authorization SET arguments_digest = 'x'",
        "DELETE FROM connectors_authorization",
        "UPDATE connectors_operationrevision SET mapping = '{}'",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)
    call.refresh_from_db()
    assert call.outcome == "confirmed"


@pytest.mark.django_db
def test_only_an_authorization_makes_an_executing_call(book: dict[str, Any]) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Call.objects.create(
            purpose="execute",
            system=book["system"],
            operation=book["post"],
            actor_kind="system",
            actor_id="x",
            actor_label="x",
        )


def test_twenty_at_once_with_one_authorization_make_one_call(
    live_db: Any, book: dict[str, Any], fake: FakeSystem
) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    found: list[str] = []

    def attempt() -> None:
        try:
            found.append(
                execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[]).outcome
            )
        except Refusal as refusal:
            found.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == ["authorization_used"] * 19 + ["confirmed"]
    assert fake.count() == 1


@pytest.mark.django_db
def test_a_stop_refuses_before_anything_is_used_up(book: dict[str, Any], fake: FakeSystem, alice: Any) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    scopes = [Ref("everything", ""), Ref("system", str(book["system"].pk))]
    stops.raise_stop(
        actor=alice.as_actor(), scope_kind="system", scope_id=str(book["system"].pk), reason="month end"
    )
    with pytest.raises(Refusal) as refused:
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=scopes)
    assert refused.value.code == "stopped"
    assert Event.objects.get(verb="connectors.call_refused").code == "stopped"
    passed.refresh_from_db()
    assert (passed.consumed_at, fake.count()) == (None, 0)


@pytest.mark.django_db
def test_an_answer_that_no_record_can_hold_is_cleaned(book: dict[str, Any], fake: FakeSystem) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    fake.extra = {"id": "inv\x00\ud800", "state": f"echo {fake.key}"}
    result = execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert result.outcome == "confirmed"
    assert result.output == {"id": "inv\N{REPLACEMENT CHARACTER}?", "state": "echo [secret]"}


@pytest.mark.django_db
def test_a_huge_answer_is_left_out_and_the_effect_stands(book: dict[str, Any], fake: FakeSystem) -> None:
    given = arguments()
    passed = authorized(book["post"], given)
    fake.extra = {"state": "x" * 1_100_000}
    result = execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert (result.outcome, result.output, result.error_code) == ("confirmed", {}, "answer_unexpected")


def test_a_call_inside_a_transaction_is_refused(live_db: Any, book: dict[str, Any], fake: FakeSystem) -> None:
    passed = authorized(book["post"], arguments())
    with pytest.raises(RuntimeError), transaction.atomic():
        execute(actor=PORTAL, authorization_id=passed.pk, arguments=arguments(), stop_scopes=[])
    assert fake.count() == 0


def test_a_stop_and_a_call_never_overlap(
    live_db: Any, book: dict[str, Any], fake: FakeSystem, alice: Any
) -> None:
    """Whichever commits first wins: after the stop has committed, no call begins."""
    system_id = str(book["system"].pk)
    scopes = [Ref("everything", ""), Ref("system", system_id)]
    stopped = threading.Event()
    begun_late: list[str] = []
    refused: list[str] = []

    def work(number: int) -> None:
        given = arguments(f"RE-{number}")
        passed = authorized(book["post"], given, action_id=f"a{number}")
        late = stopped.is_set()
        try:
            execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=scopes)
            if late:
                begun_late.append(f"a{number}")
        except Refusal as refusal:
            refused.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 10:
            stops.raise_stop(
                actor=alice.as_actor(), scope_kind="system", scope_id=system_id, reason="stop it now"
            )
            stopped.set()
    for thread in threads:
        thread.join(30)
    assert begun_late == []
    assert set(refused) == {"stopped"}
    assert fake.count() == Call.objects.count() == 20 - len(refused)


@pytest.mark.django_db
def test_the_expiry_is_counted_from_the_database_clock(book: dict[str, Any]) -> None:
    post = book["post"]
    passed = mint_authorization(
        action_id="a", operation=post, revision=1, arguments_digest="0" * 64, ttl=timedelta(minutes=5)
    )
    passed.refresh_from_db()
    assert timedelta(minutes=4) < passed.expires_at - passed.created_at < timedelta(minutes=6)


@pytest.mark.django_db
def test_an_answer_nested_beyond_reason_leaves_no_call_unfinished(
    book: dict[str, Any], fake: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    nested = b'{"id": ' + b"[" * 600 + b"]" * 600 + b', "state": "posted"}'
    monkeypatch.setattr("connectors.egress.Client._read", lambda self, response: nested)
    given = arguments()
    passed = authorized(book["post"], given)
    result = execute(actor=PORTAL, authorization_id=passed.pk, arguments=given, stop_scopes=[])
    assert (result.outcome, result.error_code) == ("unknown", "answer_unexpected")
    assert Call.objects.get().outcome == "unknown"
