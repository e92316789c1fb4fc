"""Secrets: shown once, several at a time, rotated with an overlap, gone at once when revoked."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import AccessToken, Agent, ClientSecret
from agents.services import credentials
from agents.services.credentials import IssuedSecret
from audit.models import Event
from audit.vocabulary import Refusal
from tests.agents.test_oauth import ask

WHY = "Because the test says so"


def works(issued: IssuedSecret) -> bool:
    return bool(ask(Client(), client_id=issued.client_id, client_secret=issued.secret).status_code == 200)


def issue(actor: Any, agent: Agent) -> IssuedSecret:
    return credentials.issue_client_secret(actor=actor.as_actor(), agent=agent, reason=WHY)


def test_only_its_hash_is_kept(credential: IssuedSecret) -> None:
    row = ClientSecret.objects.get()
    assert row.digest == hashlib.sha256(credential.secret.encode()).hexdigest()
    assert credential.secret.endswith(row.hint)
    assert len(row.hint) == 4
    assert not hasattr(row.history.first(), "digest")


def test_each_one_is_random_and_recognisable(alice: Any, working: Agent) -> None:
    first, second = issue(alice, working), issue(alice, working)
    assert first.secret != second.secret
    assert first.client_id == second.client_id
    assert first.secret.startswith("aos_cs_")
    assert len(first.secret) == len("aos_cs_") + 43


def test_several_are_valid_at_the_same_time_up_to_a_limit(alice: Any, working: Agent) -> None:
    found = [issue(alice, working) for _ in range(credentials.MOST_VALID_SECRETS)]
    assert all(works(each) for each in found)
    with pytest.raises(Refusal) as refused:
        issue(alice, working)
    assert refused.value.code == "too_many_secrets"
    secret = ClientSecret.objects.first()
    assert secret is not None
    credentials.revoke_client_secret(actor=alice.as_actor(), secret=secret, reason=WHY)
    assert works(issue(alice, working))


def test_rotation_keeps_two_valid(alice: Any, working: Agent) -> None:
    oldest, present = issue(alice, working), issue(alice, working)
    new = credentials.rotate_client_secret(actor=alice.as_actor(), agent=working, reason=WHY)
    assert (works(oldest), works(present), works(new)) == (False, True, True)
    ends = ClientSecret.objects.order_by("created_at")[1].expires_at
    assert timedelta(hours=23) < ends - timezone.now() <= timedelta(hours=24)


def test_rotation_works_without_a_present_one(alice: Any, working: Agent) -> None:
    assert works(credentials.rotate_client_secret(actor=alice.as_actor(), agent=working, reason=WHY))


def test_rotation_never_prolongs_what_ends_sooner(alice: Any, working: Agent) -> None:
    credentials.issue_client_secret(
        actor=alice.as_actor(), agent=working, reason=WHY, lifetime=timedelta(minutes=5)
    )
    credentials.rotate_client_secret(actor=alice.as_actor(), agent=working, reason=WHY)
    first = ClientSecret.objects.order_by("created_at").first()
    assert first is not None
    assert first.expires_at - timezone.now() <= timedelta(minutes=5)


def test_revoking_is_recorded_and_revoking_twice_is_not(
    alice: Any, working: Agent, credential: IssuedSecret
) -> None:
    secret = ClientSecret.objects.get()
    for _ in range(2):
        credentials.revoke_client_secret(actor=alice.as_actor(), secret=secret, reason="It leaked")
    event = Event.objects.get(verb="agents.client_secret_revoked")
    assert (event.reason, event.agent_id) == ("It leaked", str(working.pk))
    assert secret.history.first().history_change_reason == "It leaked"
    assert not works(credential)


def test_an_operator_takes_credentials_away_and_gives_none(
    dave: Any, working: Agent, credential: IssuedSecret
) -> None:
    with pytest.raises(Refusal):
        issue(dave, working)
    assert credentials.revoke_client_secrets(actor=dave.as_actor(), agent=working, reason=WHY) == 1
    assert not works(credential)


def test_using_a_secret_leaves_no_history_but_when(credential: IssuedSecret) -> None:
    assert works(credential)
    row = ClientSecret.objects.get()
    assert row.last_used_at is not None
    assert row.history.count() == 1


def test_a_secret_revoked_while_a_token_is_being_issued_buys_none(
    live_db: Any, alice: Any, finance: Any, bookkeeper: Any, draft: Agent
) -> None:
    issued = issue(alice, draft)
    secret = ClientSecret.objects.get()
    go = threading.Barrier(2)
    found: list[int] = []

    def fetch() -> None:
        try:
            go.wait(10)
            for _ in range(20):
                found.append(ask(Client(), client_id=issued.client_id, client_secret=issued.secret).status_code)
        finally:
            connection.close()

    thread = threading.Thread(target=fetch)
    thread.start()
    go.wait(10)
    credentials.revoke_client_secret(actor=alice.as_actor(), secret=secret, reason=WHY)
    thread.join(60)
    assert set(found) <= {200, 401, 429}
    assert found[-1] in (401, 429)
    assert not AccessToken.objects.exists()
