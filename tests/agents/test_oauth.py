"""An agent proves who it is by client credentials; whatever is wrong with them is refused, never with a 5xx."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from agents.models import AccessToken, Agent, ClientSecret
from agents.services import credentials, lifecycle
from audit.models import Event

FORM = "application/x-www-form-urlencoded"
WHO = "/api/v1/me"


def ask(client: Client, **form: Any) -> Any:
    """POST the token endpoint with client credentials in the form."""
    return post(client, {"grant_type": "client_credentials", **form})


def post(client: Client, form: dict[str, Any], query: str = "", **extra: Any) -> Any:
    """POST a form to the token endpoint, encoded as OAuth asks for."""
    return client.post(f"/oauth/token{query}", urlencode(form, doseq=True), content_type=FORM, **extra)


def token_for(client: Client, issued: credentials.IssuedSecret) -> str:
    answer = ask(client, client_id=issued.client_id, client_secret=issued.secret)
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


def bearer(token: str) -> dict[str, str]:
    return {"headers": {"authorization": f"Bearer {token}"}}  # type: ignore[dict-item]


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.fixture
def web() -> Client:
    """A client that shows a 500 as an answer instead of raising, and enforces CSRF where it applies."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


class TestTokenEndpoint:
    def test_a_secret_buys_a_short_opaque_token_kept_as_a_checksum(
        self, web: Client, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        answer = ask(web, client_id=credential.client_id, client_secret=credential.secret)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        body = answer.json()
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] == 300
        assert "refresh_token" not in body
        row = AccessToken.objects.get()
        assert row.token == ""
        assert row.token_checksum == hashlib.sha256(body["access_token"].encode()).hexdigest()
        assert row.user == working.user
        assert row.expires <= timezone.now() + timedelta(seconds=300)

    def test_http_basic_works_as_well(self, web: Client, credential: credentials.IssuedSecret) -> None:
        answer = post(web, {"grant_type": "client_credentials"}, headers=basic(*credential))
        assert answer.status_code == 200

    def test_issuing_is_in_the_ledger_without_the_secret_or_the_token(
        self, web: Client, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        token = token_for(web, credential)
        event = Event.objects.get(verb="agents.token_issued")
        assert event.agent_id == str(working.pk)
        assert event.actor_kind == "agent"
        for row in Event.objects.all().values():
            assert credential.secret not in str(row)
            assert token not in str(row)

    def test_a_draft_may_connect_before_it_may_act(self, web: Client, alice: Any, draft: Agent) -> None:
        issued = credentials.issue_client_secret(actor=alice.as_actor(), agent=draft, reason="Set it up")
        assert token_for(web, issued)

    def test_a_paused_agent_keeps_its_token(
        self, web: Client, dave: Any, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        token = token_for(web, credential)
        lifecycle.pause_agent(actor=dave.as_actor(), agent=working, reason="Looks odd")
        assert web.get(WHO, **bearer(token)).status_code == 200

    def test_a_token_can_be_asked_for_this_portal_only(
        self, web: Client, credential: credentials.IssuedSecret, settings: Any
    ) -> None:
        settings.PUBLIC_URL = "https://portal.example"
        known = {"client_id": credential.client_id, "client_secret": credential.secret}
        assert ask(web, **known, resource="https://portal.example/api/v1").status_code == 200
        for wrong in ("https://elsewhere.example", "http://[", "https://portal.example.evil", "\x00"):
            answer = ask(web, **known, resource=wrong)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")

    def test_tokens_that_expired_an_hour_ago_are_dropped_when_the_next_is_issued(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        token_for(web, credential)
        AccessToken.objects.update(expires=timezone.now() - timedelta(minutes=59))
        token_for(web, credential)
        assert AccessToken.objects.count() == 2
        AccessToken.objects.update(expires=timezone.now() - timedelta(minutes=61))
        token_for(web, credential)
        assert AccessToken.objects.count() == 1

    def test_no_other_oauth_endpoint_is_mounted(self) -> None:
        def paths(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
            found: list[str] = []
            for item in patterns:
                here = prefix + str(item.pattern)
                found += paths(item.url_patterns, here) if isinstance(item, URLResolver) else [here]
            return found

        routes = paths(get_resolver().url_patterns)
        assert [route for route in routes if "oauth" in route and not route.startswith("admin/")] == [
            "oauth/token"
        ]
        forbidden = ("authorize", "introspect", "revoke_token", "register/", "o/", ".well-known/openid")
        assert not [route for route in routes if route.startswith(forbidden)]


def _refused(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["error"] == code
    if status == 401:
        assert answer["WWW-Authenticate"].startswith("Basic")


class TestRefusedTokenRequests:
    @pytest.mark.parametrize(
        ("form", "status", "code"),
        [
            ({"grant_type": ""}, 400, "invalid_request"),
            ({"grant_type": "password", "username": "alice", "password": "x"}, 400, "unsupported_grant_type"),
            ({"grant_type": "authorization_code", "code": "x"}, 400, "unsupported_grant_type"),
            ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "unsupported_grant_type"),
            ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, 400, "unsupported_grant_type"),
            ({"scope": "admin"}, 400, "invalid_scope"),
            ({"client_secret": "wrong"}, 401, "invalid_client"),
            ({"client_secret": ""}, 401, "invalid_client"),
            ({"client_secret": "x" * 100_000}, 401, "invalid_client"),
            ({"client_secret": "nul\x00"}, 401, "invalid_client"),
            ({"client_secret": "\udc80".encode("utf-8", "surrogatepass")}, 401, "invalid_client"),
            ({"client_id": "unknown"}, 401, "invalid_client"),
            ({"client_id": ""}, 401, "invalid_client"),
            ({"client_id": "nul\x00"}, 401, "invalid_client"),
            ({"client_id": "x" * 100_000}, 401, "invalid_client"),
            ({"client_id": ["a", "b"]}, 400, "invalid_request"),
            ({"client_secret": ["a", "b"]}, 400, "invalid_request"),
            ({"grant_type": ["client_credentials", "password"]}, 400, "invalid_request"),
        ],
    )
    def test_in_the_form(
        self, web: Client, credential: credentials.IssuedSecret, form: Any, status: int, code: str
    ) -> None:
        known = {"client_id": credential.client_id, "client_secret": credential.secret}
        _refused(ask(web, **{**known, **form}), status, code)
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize(
        "header",
        [
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
            "Basic " + base64.b64encode(b"no-colon").decode(),
            "Basic " + base64.b64encode(b"id:" + b"x" * 50_000).decode(),
            "Basic " + base64.b64encode(b"nul\x00:%00").decode(),
            "Bearer something",
            "Digest username=x",
            "\x00",
            "Basic \u00e9\u00e9",
        ],
    )
    def test_in_the_header(self, web: Client, credential: credentials.IssuedSecret, header: str) -> None:
        answer = post(web, {"grant_type": "client_credentials"}, HTTP_AUTHORIZATION=header)
        _refused(answer, 401, "invalid_client")

    def test_the_secret_in_header_and_form(self, web: Client, credential: credentials.IssuedSecret) -> None:
        form = {"grant_type": "client_credentials", "client_secret": credential.secret}
        _refused(post(web, form, headers=basic(*credential)), 400, "invalid_request")

    def test_header_and_form_naming_different_clients(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        form = {"grant_type": "client_credentials", "client_id": "another"}
        _refused(post(web, form, headers=basic(*credential)), 400, "invalid_request")

    def test_parameters_in_the_address(self, web: Client, credential: credentials.IssuedSecret) -> None:
        for query in (f"client_id={credential.client_id}&client_secret={credential.secret}", "x=%zz", "%"):
            _refused(post(web, {"grant_type": "client_credentials"}, f"?{query}"), 400, "invalid_request")

    def test_bodies_that_are_not_a_form(self, web: Client, credential: credentials.IssuedSecret) -> None:
        body = json.dumps({"grant_type": "client_credentials"})
        _refused(web.post("/oauth/token", body, content_type="application/json"), 400, "invalid_request")
        _refused(web.post("/oauth/token", "\x00\xff", content_type="text/plain"), 400, "invalid_request")
        assert web.post("/oauth/token", "%zz=%zz&&&=", content_type=FORM).status_code == 400
        assert web.post("/oauth/token", "a=1&" * 5000, content_type=FORM).status_code == 400
        assert web.post("/oauth/token", "a" * 3_000_000, content_type=FORM).status_code in (400, 413)

    def test_other_methods(self, web: Client, db: None) -> None:
        for method in ("get", "put", "delete", "patch"):
            assert getattr(web, method)("/oauth/token").status_code == 405

    def test_a_form_cannot_smuggle_in_what_the_server_keeps_for_itself(
        self, web: Client, credential: credentials.IssuedSecret, alice: Any, working: Agent
    ) -> None:
        known = {"client_id": credential.client_id, "client_secret": credential.secret}
        smuggled = {"client": "1", "user": str(alice.pk), "scopes": "admin", "expires_in": "999999"}
        answer = post(web, {"grant_type": "client_credentials", **known, **smuggled})
        assert answer.status_code == 200
        row = AccessToken.objects.get()
        assert row.user == working.user
        assert row.expires <= timezone.now() + timedelta(seconds=300)

    def test_the_secret_of_another_client(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        other = lifecycle.register_agent(
            actor=alice.as_actor(),
            name="Other",
            code="other",
            purpose="Something else.",
            sponsor=alice,
            department=working.department,
            role=working.role,
            reason="Another one",
        )
        issued = credentials.issue_client_secret(actor=alice.as_actor(), agent=other, reason="Its own")
        _refused(ask(web, client_id=credential.client_id, client_secret=issued.secret), 401, "invalid_client")

    def test_revoked_expired_and_deleted_secrets(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        known = {"client_id": credential.client_id, "client_secret": credential.secret}
        secret = ClientSecret.objects.get()
        past = timezone.now() - timedelta(days=1)
        ClientSecret.objects.update(created_at=past - timedelta(days=1), expires_at=past)
        _refused(ask(web, **known), 401, "invalid_client")
        ClientSecret.objects.update(expires_at=timezone.now() + timedelta(days=1))
        credentials.revoke_client_secret(actor=alice.as_actor(), secret=secret, reason="It leaked")
        answer = ask(web, **known)
        _refused(answer, 401, "invalid_client")
        assert "revoked" in answer.json()["error_description"]
        secret.delete()
        _refused(ask(web, **known), 401, "invalid_client")

    @pytest.mark.parametrize("end", [lifecycle.suspend_agent, lifecycle.retire_agent])
    def test_suspended_and_retired_agents(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret, working: Agent, end: Any
    ) -> None:
        end(actor=alice.as_actor(), agent=working, reason="No longer trusted")
        _refused(
            ask(web, client_id=credential.client_id, client_secret=credential.secret), 401, "invalid_client"
        )


class TestThrottle:
    def test_the_eleventh_failure_in_a_minute_is_a_429_and_no_longer_recorded(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        wrong = {"client_id": credential.client_id, "client_secret": "wrong"}
        assert {ask(web, **wrong).status_code for _ in range(10)} == {401}
        answer = ask(web, **wrong)
        assert answer.status_code == 429
        assert answer["Retry-After"] == "60"
        refused = Event.objects.filter(verb="agents.token_refused")
        assert refused.count() == 10
        assert set(refused.values_list("code", "decision")) == {("wrong_credentials", "deny")}

    def test_a_right_secret_still_works_so_that_no_stranger_locks_an_agent_out(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        for _ in range(12):
            ask(web, client_id=credential.client_id, client_secret="wrong")
        assert token_for(web, credential)

    def test_guessing_client_ids_counts_by_address(self, web: Client, db: None) -> None:
        found = [ask(web, client_id=f"guess-{n}", client_secret="x").status_code for n in range(12)]
        assert found == [401] * 10 + [429] * 2

    def test_a_counter_that_is_down_refuses_as_usual(
        self, web: Client, credential: credentials.IssuedSecret, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*args: Any, **kwargs: Any) -> None:
            raise ConnectionError("no valkey")

        monkeypatch.setattr(cache, "add", down)
        _refused(ask(web, client_id=credential.client_id, client_secret="wrong"), 401, "invalid_client")


class TestBearerTokens:
    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("Bearer", "token_malformed"),
            ("Bearer ", "token_malformed"),
            ("Bearer a b", "token_malformed"),
            ("Bearer aos_at_unknown", "token_unknown"),
            ("bearer aos_at_unknown", "token_unknown"),
            ("Bearer nul\x00nul", "token_malformed"),
            ("Bearer " + "x" * 60_000, "token_malformed"),
            ("Bearer \u00e9", "token_malformed"),
            ("Bearer ' OR 1=1 --", "token_malformed"),
            ("Basic eDp5", "not_authenticated"),
            ("Token abc", "not_authenticated"),
            ("\x00", "not_authenticated"),
        ],
    )
    def test_malformed_and_unknown_ones(self, web: Client, db: None, header: str, code: str) -> None:
        answer = web.get(WHO, HTTP_AUTHORIZATION=header)
        assert answer.status_code == 401, answer.content
        assert answer.json()["code"] == code
        assert answer["Content-Type"].startswith("application/problem+json")
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_token_in_the_address_is_refused_even_when_it_is_good(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        token = token_for(web, credential)
        answer = web.get(f"{WHO}?access_token={token}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_in_url")
        assert web.get(f"{WHO}?access_token={token}", **bearer(token)).status_code == 401

    def test_expired(self, web: Client, credential: credentials.IssuedSecret) -> None:
        token = token_for(web, credential)
        AccessToken.objects.update(expires=timezone.now())
        answer = web.get(WHO, **bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
        assert Event.objects.get(verb="agents.call_refused").code == "token_expired"
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]

    def test_revoked_with_its_secret_on_the_next_call(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret
    ) -> None:
        token = token_for(web, credential)
        assert web.get(WHO, **bearer(token)).status_code == 200
        secret = ClientSecret.objects.get()
        credentials.revoke_client_secret(actor=alice.as_actor(), secret=secret, reason="It leaked")
        answer = web.get(WHO, **bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown")

    def test_a_token_whose_secret_was_revoked_in_between_is_refused(
        self, web: Client, credential: credentials.IssuedSecret
    ) -> None:
        token = token_for(web, credential)
        ClientSecret.objects.update(revoked_at=timezone.now())
        assert web.get(WHO, **bearer(token)).json()["code"] == "token_unknown"

    def test_deleted_with_its_secret(self, web: Client, credential: credentials.IssuedSecret) -> None:
        token = token_for(web, credential)
        ClientSecret.objects.get().delete()
        assert web.get(WHO, **bearer(token)).status_code == 401

    def test_all_tokens_revoked_leaves_the_secret(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret, working: Agent
    ) -> None:
        old = token_for(web, credential)
        assert credentials.revoke_tokens(actor=alice.as_actor(), agent=working, reason="Just in case") == 1
        assert web.get(WHO, **bearer(old)).status_code == 401
        assert web.get(WHO, **bearer(token_for(web, credential))).status_code == 200

    @pytest.mark.parametrize(
        ("end", "code"), [(lifecycle.suspend_agent, "token_unknown"), (lifecycle.retire_agent, "token_unknown")]
    )
    def test_suspended_and_retired_agents(
        self, web: Client, alice: Any, credential: credentials.IssuedSecret, working: Agent, end: Any, code: str
    ) -> None:
        token = token_for(web, credential)
        end(actor=alice.as_actor(), agent=working, reason="No longer trusted")
        answer = web.get(WHO, **bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, code)

    @pytest.mark.parametrize(
        ("facts", "code"),
        [({"brake": "suspended"}, "agent_suspended"), ({"lifecycle": "retired"}, "agent_retired")],
    )
    def test_the_state_of_the_agent_counts_even_while_a_token_is_left(
        self,
        web: Client,
        credential: credentials.IssuedSecret,
        working: Agent,
        facts: dict[str, str],
        code: str,
    ) -> None:
        token = token_for(web, credential)
        for field, value in facts.items():
            setattr(working, field, value)
        working.save()
        answer = web.get(WHO, **bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (401, code)

    def test_one_call_costs_one_query_to_authenticate(
        self, credential: credentials.IssuedSecret, web: Client, django_assert_num_queries: Any, rf: Any
    ) -> None:
        from rest_framework.request import Request

        from agents.authentication import AgentTokenAuthentication

        token = token_for(web, credential)
        request = Request(rf.get(WHO, HTTP_AUTHORIZATION=f"Bearer {token}"))
        with django_assert_num_queries(1):
            user, _ = AgentTokenAuthentication().authenticate(request)  # type: ignore[misc]
            assert user.is_agent
