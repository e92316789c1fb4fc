"""Signed messages to a chat: through the one door, under a secret that is shown once."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import F
from django.urls import reverse

from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Secret
from tests.workflows.conftest import ask, hold_above
from workflows.actions.services import edit_action
from workflows.approvals.services import cast_vote
from workflows.notices import services
from workflows.notices.models import Channel, Post
from workflows.notices.policies.times import WAITS
from workflows.triggers.policies.signatures import key_of, require_signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "the approvers read it there"


@pytest.fixture
def channel(chat: Any, clerk: Any, alice: Any) -> Channel:
    return kept(alice, chat.url)


@pytest.fixture
def secret(channel: Channel, alice: Any) -> str:
    return services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY).secret


def kept(actor: Any, address: str, **more: Any) -> Channel:
    values = {
        "name": "Approvers' chat",
        "address": address,
        "groups": Group.objects.filter(name="Approvers"),
        "private_networks": ["127.0.0.1/32"],
        **more,
    }
    return services.save_channel(actor=actor.as_actor(), values=values, reason=WHY)


def held(clerk: Any) -> Any:
    hold_above(100_000)
    return ask(clerk, minor=150_000)


def test_what_waits_for_its_group_is_told_and_signed(chat, channel, secret, clerk):
    action = held(clerk)
    services.tell()
    ((headers, body),) = chat.messages
    require_signed(
        [key_of(secret)],
        message_id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"],
        signatures=headers["webhook-signature"],
        body=body,
        now=time.time(),
    )
    said = json.loads(body)
    post = Post.objects.get()
    assert (said["id"], headers["webhook-id"]) == (str(post.pk), str(post.pk))
    assert said["kind"] == "Approval"
    assert said["link"] == f"http://127.0.0.1:8000/inbox/{action.approval_id}/"
    assert f"Approval: {action.label}" in said["text"]
    assert headers["content-type"] == "application/json"
    assert (post.state, post.status) == ("sent", 200)


def test_what_is_for_other_groups_or_not_signed_is_not_told(chat, channel, clerk, alice):
    held(clerk)
    services.tell()
    assert chat.messages == [], "it has no secret yet"
    services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY)
    others = {"groups": Group.objects.filter(name="Operators")}
    services.save_channel(actor=alice.as_actor(), values=others, reason=WHY, channel=channel)
    ask(clerk, minor=150_000, number="RE-2")
    services.tell()
    assert chat.messages == []


def test_a_message_that_fails_is_the_same_each_time_and_given_up_in_the_end(chat, channel, secret, clerk, dave):
    chat.statuses = [500] * len(WAITS) + [302]
    held(clerk)
    for _ in range(len(WAITS) + 1):
        services.tell()
        Post.objects.update(next_at=F("next_at") - timedelta(days=1))
    assert len(chat.messages) == len(WAITS) + 1
    assert len({(headers["webhook-id"], body) for headers, body in chat.messages}) == 1
    post = Post.objects.get()
    assert (post.state, post.status, post.problem) == ("given_up", 302, "It answered 302.")
    services.tell()
    assert len(chat.messages) == len(WAITS) + 1
    assert Event.objects.filter(verb="notices.given_up", code="post").exists()


def test_an_address_inside_the_company_is_not_called_unless_its_network_was_named(chat, clerk, alice):
    channel = kept(alice, chat.url, private_networks=[])
    services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY)
    answer = services.send_test(actor=alice.as_actor(), channel=channel, reason=WHY)
    assert "this machine" in answer.problem
    assert chat.messages == []


@pytest.mark.parametrize("address", ["http://chat.example/", "https://169.254.169.254/latest"])
def test_where_no_chat_is_nothing_is_sent(address, clerk, alice):
    if address.startswith("http://"):
        with pytest.raises(ValidationError, match="https"):
            kept(alice, address)
        return
    channel = kept(alice, address, private_networks=["169.254.0.0/16"])
    services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY)
    answer = services.send_test(actor=alice.as_actor(), channel=channel, reason=WHY)
    assert "credentials" in answer.problem


def test_a_channel_is_kept_by_managers_with_a_reason_and_on_record(channel, secret, alice, bob, clerk):
    for actor in (bob, clerk.user):
        with pytest.raises(Refusal):
            services.save_channel(
                actor=actor.as_actor(), values={"address": "https://evil.example"}, reason=WHY, channel=channel
            )
    with pytest.raises(Refusal):
        services.save_channel(actor=alice.as_actor(), values={"is_enabled": False}, reason="", channel=channel)
    verbs = list(Event.objects.filter(subject_id=str(channel.pk)).order_by("id").values_list("verb", flat=True))
    assert verbs[:2] == ["notices.channel_added", "notices.channel_secret_issued"]
    told = str(list(Event.objects.filter(subject_id=str(channel.pk)).values()))
    assert "hooks/T0" not in told, "the path is a key: the ledger names the host only"
    assert secret not in told
    assert channel.history.first().history_user == alice


def test_a_manager_adds_one_issues_a_secret_and_tests_it_in_the_admin(client, chat, clerk, alice):
    client.force_login(alice)
    group = Group.objects.get(name="Approvers")
    given = {
        "name": "Chat",
        "address": chat.url,
        "groups": [str(group.pk)],
        "private_networks": '["127.0.0.1/32"]',
        "is_enabled": "on",
        "reason": WHY,
    }
    assert client.post(reverse("admin:notices_channel_add"), given).status_code == 302
    channel = Channel.objects.get()
    assert list(channel.groups.all()) == [group]
    page = f"/admin/notices/channel/{channel.pk}"
    verb = {"data": {"_form_submitted": "1", "reason": WHY}, "headers": {"HX-Request": "true"}}
    issued = client.post(f"{page}/issue_secret/", **verb)
    assert "whsec_" in issued.content.decode()
    client.post(f"{page}/send_test/", **verb)
    assert chat.texts() == ["A test of the portal for Chat. Nothing waits because of it."]
    shown = client.get(reverse("admin:notices_channel_change", args=[channel.pk])).content.decode()
    assert "whsec_" not in shown
    assert "Sent" in client.get(reverse("admin:notices_channel_changelist")).content.decode()


def test_an_agents_own_program_hears_what_came_of_its_actions(chat, clerk, alice, bob):
    channel = kept(alice, chat.url, groups=[], agent=clerk)
    services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY)
    action = held(clerk)
    services.tell()
    assert json.loads(chat.messages.pop()[1])["type"] == "action.held"
    cast_vote(
        actor=bob.as_actor(),
        approval_id=action.approval_id,
        verdict="reject",
        reason="ordered twice",
        digest=action.approval.digest,
    )
    services.tell()
    said = json.loads(chat.messages[0][1])
    action.refresh_from_db()
    assert said["type"] == "action.rejected"
    assert said["data"] == {
        "action": str(action.pk),
        "operation": "fake.invoice.post",
        "state": "rejected",
        "code": action.code,
        "sentence": action.sentence,
        "next_step": action.next_step,
    }
    assert "ordered twice" in said["data"]["sentence"]


def test_an_agents_own_program_hears_that_a_person_replaced_its_action(chat, clerk, alice, bob):
    channel = kept(alice, chat.url, groups=[], agent=clerk)
    services.issue_channel_secret(actor=alice.as_actor(), channel=channel, reason=WHY)
    action = held(clerk)
    minor = {"total": {"minor": action.amount_minor + 1}}
    told = {"approval_id": action.approval_id, "digest": action.approval.digest, "changes": minor}
    new = edit_action(actor=bob.as_actor(), reason="one cent more", **told)
    services.tell()
    (said,) = [told for _, body in chat.messages if (told := json.loads(body))["type"] == "action.superseded"]
    assert (said["data"]["code"], said["data"]["replaced_by"]) == ("replaced_by_person", str(new.pk))
    assert "one cent more" in said["data"]["sentence"]


def test_a_channel_is_of_an_agent_or_of_groups(chat, clerk, alice):
    with pytest.raises(ValidationError, match="agent or groups"):
        kept(alice, chat.url, agent=clerk)


def test_what_nobody_comes_back_from_is_given_up_too(chat, channel, secret, clerk, monkeypatch):
    held(clerk)

    def dies(*_: Any) -> None:
        raise RuntimeError("the worker is gone")

    monkeypatch.setattr("workflows.notices.services.posting.post_message", dies)
    for _ in range(len(WAITS) + 2):
        services.tell()
        Post.objects.update(next_at=F("next_at") - timedelta(days=1))
    post = Post.objects.get()
    assert (post.state, post.attempts) == ("given_up", len(WAITS) + 1)
    assert "did not come back" in post.problem


def test_a_secret_that_cannot_be_opened_sends_nothing_unsigned(chat, channel, secret, clerk):
    Secret.objects.filter(pk=Channel.objects.get().secret_id).update(wrapped_key=b"0" * 60)
    held(clerk)
    services.tell()
    assert chat.messages == []
    assert Post.objects.get().state == "waiting"
