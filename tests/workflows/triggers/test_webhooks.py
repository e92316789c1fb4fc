"""Signed messages from outside start runs: each once, and nothing that is not proved starts anything."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.test import Client

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Secret
from tests.workflows.conftest import signed_in
from tests.workflows.test_concurrency import at_once
from tests.workflows.test_runs import letters, publish
from workflows.runs.models import Run, Workflow
from workflows.triggers import services
from workflows.triggers.models import HookDelivery, Webhook, WebhookSecret
from workflows.triggers.policies.signatures import key_of, signature

pytestmark = pytest.mark.usefixtures("hints")
WHY = "the shop tells us"


@pytest.fixture
def workflow(clerk: Any, alice: Any, bob: Any) -> Workflow:
    return published(alice, bob)


def published(alice: Any, bob: Any) -> Workflow:
    content = letters()
    content["input"] = {**content["input"], "required": ["topic"]}
    return publish(alice, bob, content)


def kept(actor: Any, workflow: Workflow, **values: Any) -> Webhook:
    common = {"name": "Shop", "workflow": workflow, "give": {"topic": "data.topic"}}
    return services.save_webhook(actor=actor.as_actor(), values={**common, **values}, reason=WHY)


def issued(actor: Any, webhook: Webhook, hours: int = 24) -> str:
    return services.issue_webhook_secret(
        actor=actor.as_actor(), webhook=webhook, reason=WHY, overlap_hours=hours
    ).secret


def sealed() -> int:
    """Return how many secrets of webhooks are kept."""
    return Secret.objects.filter(purpose__startswith="triggers.").count()


class Sender:
    """Somebody else's system, with the secret it was given."""

    def __init__(self, webhook: Webhook, secret: str) -> None:
        self.address = f"/api/v1/hooks/{webhook.pk}"
        self.secret = secret

    def send(self, data: Any = None, message_id: str = "msg_1", ago: int = 0, **more: Any) -> Any:
        body = data if isinstance(data, bytes) else json.dumps({"topic": "bolts"} if data is None else data)
        body = body if isinstance(body, bytes) else body.encode()
        at = str(int(time.time()) - ago)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": at,
            "webhook-signature": signature(key_of(self.secret), message_id, at, body),
            **more.get("headers", {}),
        }
        kind = more.get("kind", "application/json")
        return Client().post(self.address, more.get("sent", body), content_type=kind, headers=headers)


@pytest.fixture
def webhook(workflow: Workflow, alice: Any) -> Webhook:
    return kept(alice, workflow)


@pytest.fixture
def sender(webhook: Webhook, alice: Any) -> Sender:
    return Sender(webhook, issued(alice, webhook))


@pytest.mark.django_db
class TestReceiving:
    def test_a_signed_message_starts_a_run(self, sender: Sender, webhook: Webhook) -> None:
        answer = sender.send()
        run, delivery = Run.objects.get(), HookDelivery.objects.get()
        assert answer.status_code == 201, answer.content
        assert answer.json() == {
            "delivery": str(delivery.pk),
            "outcome": "started",
            "repeat": False,
            "run": str(run.pk),
        }
        assert (run.input, run.key, run.started_by) == (
            {"topic": "bolts"},
            f"{webhook.pk} msg_1",
            "webhook Shop",
        )
        assert (delivery.outcome, delivery.message_id, delivery.run) == ("started", "msg_1", run)

    def test_a_repeat_is_answered_the_same_and_starts_nothing(self, sender: Sender) -> None:
        first = sender.send().json()
        again = sender.send(ago=100)
        assert (again.status_code, again.json()) == (200, {**first, "repeat": True})
        assert (Run.objects.count(), HookDelivery.objects.get().attempts) == (1, 2)

    def test_the_same_id_with_other_words_is_refused(self, sender: Sender) -> None:
        sender.send()
        answer = sender.send({"topic": "nuts"})
        assert (answer.status_code, answer.json()["code"]) == (409, "message_id_reused")
        assert Run.objects.count() == 1

    def test_an_old_message_is_refused_whoever_signed_it(self, sender: Sender) -> None:
        assert sender.send(ago=301).json()["code"] == "too_old"
        assert sender.send(ago=-400).json()["code"] == "too_old"
        assert Run.objects.count() == 0

    @pytest.mark.parametrize(
        "more",
        [
            {"sent": b'{"topic": "nuts"}'},
            {"headers": {"webhook-id": "msg_2"}},
            {"headers": {"webhook-timestamp": "1"}},
            {"headers": {"webhook-signature": "v1,AAAA"}},
            {"headers": {"webhook-signature": ""}},
        ],
    )
    def test_what_is_not_proved_starts_nothing_and_is_counted(self, sender: Sender, more: Any) -> None:
        for _ in range(3):
            answer = sender.send(**more)
            assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        delivery = HookDelivery.objects.get()
        assert (delivery.outcome, delivery.message_id, delivery.attempts) == ("refused", "", 3)
        assert Event.objects.filter(verb="triggers.start_refused").count() == 1
        assert Run.objects.count() == 0

    def test_without_a_secret_nothing_is_heard(self, webhook: Webhook) -> None:
        answer = Sender(webhook, "whsec_").send()
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_wrong")

    def test_an_address_that_nobody_has_looks_like_a_wrong_signature(
        self, sender: Sender, webhook: Webhook
    ) -> None:
        wrong = sender.send(headers={"webhook-signature": "v1,AAAA"})
        sender.address = "/api/v1/hooks/00000000-0000-7000-8000-000000000000"
        nobody = sender.send()
        assert (nobody.status_code, nobody.json()) == (wrong.status_code, wrong.json())

    def test_a_session_or_token_opens_nothing_here(self, webhook: Webhook, alice: Any) -> None:
        client = Client()
        client.force_login(alice)
        assert client.post(f"/api/v1/hooks/{webhook.pk}", {}, "application/json").status_code == 401

    def test_what_is_too_large_is_refused_before_it_is_read(self, sender: Sender, webhook: Webhook) -> None:
        answer = sender.send({"topic": "x" * webhook.most_bytes})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert Run.objects.count() == 0

    @pytest.mark.parametrize(
        ("data", "kind", "code"),
        [(b"{", "application/json", "not_json"), (b"{}", "text/plain", "media_type")],
    )
    def test_what_cannot_be_read_is_refused_and_can_be_sent_anew(
        self, sender: Sender, data: bytes, kind: str, code: str
    ) -> None:
        answer = sender.send(data, kind=kind)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert sender.send().status_code == 201

    def test_a_cloudevent_is_named_by_its_source_and_id(self, sender: Sender, webhook: Webhook) -> None:
        event = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "paid", "data": {"topic": "bolts"}}
        kind = "application/cloudevents+json"
        assert sender.send(event, kind=kind).status_code == 201
        answer = sender.send(event, "msg_2", kind=kind)
        assert (answer.status_code, answer.json()["outcome"]) == (200, "again")
        assert Run.objects.get().key == f"{webhook.pk} /shop 7"
        assert HookDelivery.objects.filter(event_type="paid").count() == 2

    def test_a_condition_leaves_messages_out(self, sender: Sender, webhook: Webhook, alice: Any) -> None:
        services.save_webhook(
            actor=alice.as_actor(), values={"condition": 'event.type == "paid"'}, reason=WHY, webhook=webhook
        )
        assert sender.send({"type": "seen", "topic": "bolts"}).json()["outcome"] == "filtered"
        assert sender.send({"type": "paid", "topic": "bolts"}, "msg_2").json()["outcome"] == "started"

    def test_the_key_of_the_message_makes_it_one_run(
        self, sender: Sender, webhook: Webhook, alice: Any
    ) -> None:
        services.save_webhook(
            actor=alice.as_actor(), values={"key": '"order " + data.order'}, reason=WHY, webhook=webhook
        )
        for number, topic in enumerate(("bolts", "nuts")):
            sender.send({"topic": topic, "order": "7"}, f"msg_{number}")
        assert Run.objects.get().key == "order 7"
        assert HookDelivery.objects.get(message_id="msg_1").code == "run_key_reused"

    def test_what_was_refused_is_looked_at_again_when_it_is_sent_again(
        self, sender: Sender, webhook: Webhook, alice: Any
    ) -> None:
        answer = sender.send({"subject": "bolts"})
        assert (answer.status_code, answer.json()["code"]) == (422, "not_worked_out")
        services.save_webhook(
            actor=alice.as_actor(), values={"give": {"topic": "data.subject"}}, reason=WHY, webhook=webhook
        )
        assert sender.send({"subject": "bolts"}).status_code == 201
        delivery = HookDelivery.objects.get()
        assert (delivery.outcome, delivery.attempts, delivery.code) == ("started", 2, "")

    def test_under_a_stop_it_is_told_to_come_again_and_then_starts(
        self, sender: Sender, workflow: Workflow, alice: Any
    ) -> None:
        stop = stops.raise_stop(
            actor=alice.as_actor(), scope_kind="workflow", scope_id=str(workflow.pk), reason=WHY
        )
        answer = sender.send()
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "stopped", "60")
        assert "the shop tells us" not in answer.content.decode()
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason=WHY)
        assert sender.send().status_code == 201

    def test_switched_off_it_is_told_to_come_again(self, sender: Sender, webhook: Webhook, alice: Any) -> None:
        services.save_webhook(actor=alice.as_actor(), values={"is_enabled": False}, reason=WHY, webhook=webhook)
        assert sender.send().json()["code"] == "hook_off"
        assert Run.objects.count() == 0

    def test_too_many_new_messages_are_told_to_come_again(
        self, sender: Sender, webhook: Webhook, alice: Any
    ) -> None:
        services.save_webhook(
            actor=alice.as_actor(), values={"most_per_minute": 2}, reason=WHY, webhook=webhook
        )
        answers = [sender.send(message_id=f"msg_{number}") for number in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2]["Retry-After"] == "60"
        assert sender.send(message_id="msg_0").status_code == 200


@pytest.mark.django_db
class TestSecrets:
    def test_a_new_secret_and_the_old_one_are_valid_side_by_side_for_a_while(
        self, sender: Sender, webhook: Webhook, alice: Any
    ) -> None:
        newer = Sender(webhook, issued(alice, webhook))
        assert sender.send().status_code == newer.send(message_id="msg_2").status_code == 201
        WebhookSecret.objects.filter(expires_at__isnull=False).update(expires_at=Now())
        assert sender.send(message_id="msg_3").status_code == 401
        assert newer.send(message_id="msg_3").status_code == 201
        issued(alice, webhook)
        assert sealed() == 2

    def test_without_overlap_the_old_one_ends_at_once_and_is_destroyed(
        self, sender: Sender, webhook: Webhook, alice: Any
    ) -> None:
        newer = Sender(webhook, issued(alice, webhook, hours=0))
        assert sender.send().status_code == 401
        assert newer.send().status_code == 201
        assert sealed() == 1

    def test_an_overlap_never_makes_an_old_secret_live_longer(self, webhook: Webhook, alice: Any) -> None:
        issued(alice, webhook)
        issued(alice, webhook, hours=1)
        soon = WebhookSecret.objects.order_by("pk").first()
        assert soon is not None
        issued(alice, webhook, hours=48)
        assert WebhookSecret.objects.get(pk=soon.pk).expires_at == soon.expires_at

    def test_revoked_secrets_prove_nothing(self, sender: Sender, webhook: Webhook, alice: Any) -> None:
        assert services.revoke_webhook_secrets(actor=alice.as_actor(), webhook=webhook, reason=WHY) == 1
        assert sender.send().status_code == 401
        assert sealed() == 0

    def test_the_secret_of_one_webhook_proves_nothing_at_another(
        self, sender: Sender, workflow: Workflow, alice: Any
    ) -> None:
        other = kept(alice, workflow, name="Other")
        issued(alice, other)
        sender.address = f"/api/v1/hooks/{other.pk}"
        assert sender.send().status_code == 401

    def test_there_are_never_more_than_five(self, webhook: Webhook, alice: Any) -> None:
        for _ in range(5):
            issued(alice, webhook)
        with pytest.raises(Refusal, match="5 valid ones"):
            issued(alice, webhook)
        with pytest.raises(Refusal, match="hours"):
            issued(alice, webhook, hours=-1)

    def test_a_secret_is_shown_once_and_is_nowhere_else(
        self, webhook: Webhook, alice: Any, client: Client
    ) -> None:
        client.force_login(alice)
        page = f"/admin/triggers/webhook/{webhook.pk}"
        answer = client.post(
            f"{page}/issue_secret/",
            {"_form_submitted": "1", "reason": WHY, "overlap_hours": "24"},
            headers={"hx-request": "true"},
        )
        secret = answer.content.decode().split("whsec_")[1].split("<")[0]
        assert "no-store" in answer["Cache-Control"]
        assert Sender(webhook, f"whsec_{secret}".replace("&#x3D;", "=")).send().status_code == 201
        assert secret not in client.get(f"{page}/change/").content.decode()
        for row in [*Event.objects.values(), *WebhookSecret.objects.values(), *Webhook.history.values()]:
            assert secret not in str(row)

    def test_who_may_not_change_it_is_given_no_secret(self, webhook: Webhook, bob: Any) -> None:
        for service in (services.issue_webhook_secret, services.revoke_webhook_secrets):
            with pytest.raises(Refusal, match="change what starts"):
                service(actor=bob.as_actor(), webhook=webhook, reason=WHY)

    def test_its_last_use_is_known_before_it_is_replaced(self, sender: Sender) -> None:
        sender.send()
        assert WebhookSecret.objects.get().last_used_at


@pytest.mark.django_db
class TestKeeping:
    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"give": {"topic": "local.date"}}, "give"),
            ({"most_bytes": 10}, "most_bytes"),
            ({"most_bytes": 2**21}, "most_bytes"),
            ({"most_per_minute": 0}, "most_per_minute"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_the_field(
        self, workflow: Workflow, alice: Any, values: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(ValidationError) as caught:
            kept(alice, workflow, **values)
        assert field in caught.value.message_dict

    def test_trying_starts_and_writes_nothing(self, webhook: Webhook, alice: Any, client: Client) -> None:
        trial = services.try_webhook(webhook, '{"topic": "bolts"}')
        assert (trial.would, trial.input) == ("started", {"topic": "bolts"})
        event = {"specversion": "1.0", "id": "7", "source": "/shop", "type": "paid", "data": {"topic": "nuts"}}
        assert services.try_webhook(webhook, json.dumps(event)).key == f"{webhook.pk} /shop 7"
        for sample in ("{", "", '{"specversion": "1.0"}', '{"topic": 7}', "\ud800"):
            assert services.try_webhook(webhook, sample).would == "refused"
        client.force_login(alice)
        answer = client.post(
            f"/admin/triggers/webhook/{webhook.pk}/try_it/",
            {"_form_submitted": "1", "sample": '{"topic": "<b>bolts"}'},
            headers={"hx-request": "true"},
        )
        assert "&lt;b&gt;bolts" in answer.content.decode()
        assert (Run.objects.count(), HookDelivery.objects.count()) == (0, 0)

    def test_people_read_webhooks_and_what_came(self, sender: Sender, webhook: Webhook, dave: Any) -> None:
        sender.send()
        client = signed_in(dave)
        (found,) = client.get("/api/v1/webhooks").json()["results"]
        assert found["address"].endswith(f"/api/v1/hooks/{webhook.pk}")
        (delivery,) = client.get(f"/api/v1/webhooks/{webhook.pk}/deliveries").json()["results"]
        assert (delivery["message_id"], delivery["outcome"]) == ("msg_1", "started")
        assert delivery["run"]

    def test_the_page_shows_where_it_is_and_what_came(
        self, sender: Sender, webhook: Webhook, alice: Any, client: Client
    ) -> None:
        sender.send()
        client.force_login(alice)
        page = client.get(f"/admin/triggers/webhook/{webhook.pk}/change/").content.decode()
        assert f"/api/v1/hooks/{webhook.pk}" in page
        assert "msg_1" in page
        assert client.get("/admin/triggers/webhook/").status_code == 200


@pytest.mark.usefixtures("live_db")
def test_a_message_that_comes_many_times_at_once_starts_one_run(clerk: Any, alice: Any, bob: Any) -> None:
    webhook = kept(alice, published(alice, bob))
    sender = Sender(webhook, issued(alice, webhook))
    answers = at_once(lambda index: sender.send(message_id=f"msg_{index % 2}").status_code, 32, threads=8)
    assert sorted(answers) == [200] * 30 + [201] * 2
    assert Run.objects.count() == HookDelivery.objects.count() == 2
    assert sum(HookDelivery.objects.values_list("attempts", flat=True)) == 32
