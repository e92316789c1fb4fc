"""Secrets and tokens of an agent's OAuth client: issued once, rotated with an overlap, revoked at once."""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from agents import policies
from agents.models import AccessToken, Agent, ClientSecret, OAuthApplication
from agents.services.history import lock_row, stamp
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind

logger = logging.getLogger(__name__)

SECRET_PREFIX = "aos_cs_"  # noqa: S105 - lets secret scanners recognise a leaked one
TOKEN_PREFIX = "aos_at_"  # noqa: S105
LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=365)
OVERLAP = timedelta(hours=24)
MOST_VALID_SECRETS = 5
FAILURES_A_MINUTE = 10
KEEP_EXPIRED = timedelta(hours=1)
LONGEST_CREDENTIAL = 256


class IssuedSecret(NamedTuple):
    """What a person must copy now: the secret is not stored and never shown again."""

    client_id: str
    secret: str


def new_access_token(request: Any = None) -> str:
    """Return a fresh opaque bearer token of 256 random bits (RFC 6750); the toolkit calls it."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def issue_client_secret(
    *, actor: Actor, agent: Agent, reason: str, lifetime: timedelta = LIFETIME
) -> IssuedSecret:
    """Give the agent one more secret, valid for ``lifetime`` (at most 365 days); others stay as they are.

    Raises Refusal: not allowed, reason missing, agent retired, lifetime out of range, too many valid secrets.
    """
    if not timedelta(minutes=1) <= lifetime <= LONGEST_LIFETIME:
        raise Refusal(
            "lifetime_out_of_range",
            f"The secret was not issued: it must live between a minute and {LONGEST_LIFETIME.days} days.",
            kind=RefusalKind.INVALID,
        )
    with transaction.atomic():
        agent = lock_row(Agent, agent.pk)
        policies.require(policies.may_issue_credentials(actor, agent))
        policies.require_reason(reason)
        policies.require(policies.may_hold_credentials(agent))
        application = OAuthApplication.objects.get(agent=agent)
        if _valid_secrets(application).count() >= MOST_VALID_SECRETS:
            raise Refusal(
                "too_many_secrets",
                f"The secret was not issued: {agent.name} has {MOST_VALID_SECRETS} of them. Revoke one first.",
                kind=RefusalKind.CONFLICT,
            )
        return _issue(actor, application, reason, lifetime)


def rotate_client_secret(
    *, actor: Actor, agent: Agent, reason: str, lifetime: timedelta = LIFETIME, overlap: timedelta = OVERLAP
) -> IssuedSecret:
    """Issue a new secret and let the newest of the present ones live for ``overlap`` more; revoke the rest."""
    with transaction.atomic():
        agent = lock_row(Agent, agent.pk)
        policies.require(policies.may_issue_credentials(actor, agent))
        policies.require_reason(reason)
        policies.require(policies.may_hold_credentials(agent))
        application = OAuthApplication.objects.get(agent=agent)
        keep, *older = list(_valid_secrets(application)) or [None]
        if keep is not None:
            keep.expires_at = min(keep.expires_at, timezone.now() + overlap)
            stamp(keep, actor=actor, reason=reason).save(update_fields=["expires_at"])
        for secret in older:
            _revoke(actor, secret, reason)
        return _issue(actor, application, reason, lifetime)


def revoke_client_secret(*, actor: Actor, secret: ClientSecret, reason: str) -> ClientSecret:
    """Revoke one secret and every token it bought; the next call with such a token is refused."""
    with transaction.atomic():
        secret = lock_row(ClientSecret, secret.pk)
        agent = secret.application.agent
        policies.require(policies.may_revoke_credentials(actor, agent))
        policies.require_reason(reason)
        if secret.revoked_at is None:
            _revoke(actor, secret, reason)
        return secret


def revoke_client_secrets(*, actor: Actor, agent: Agent, reason: str) -> int:
    """Revoke every secret of the agent and their tokens; return how many secrets were revoked."""
    with transaction.atomic():
        agent = lock_row(Agent, agent.pk)
        policies.require(policies.may_revoke_credentials(actor, agent))
        policies.require_reason(reason)
        return revoke_all(actor=actor, agent=agent, reason=reason)


def revoke_tokens(*, actor: Actor, agent: Agent, reason: str) -> int:
    """Revoke every token of the agent; it may fetch another with a valid secret. Return how many."""
    with transaction.atomic():
        agent = lock_row(Agent, agent.pk)
        policies.require(policies.may_revoke_credentials(actor, agent))
        policies.require_reason(reason)
        return drop_tokens(actor=actor, agent=agent, reason=reason)


def revoke_all(*, actor: Actor, agent: Agent, reason: str) -> int:
    """Revoke all secrets and tokens; for services that have asked the policy and hold the agent's lock."""
    found = list(ClientSecret.objects.filter(application__agent=agent, revoked_at=None))
    for secret in found:
        _revoke(actor, secret, reason)
    drop_tokens(actor=actor, agent=agent, reason=reason)
    return len(found)


def drop_tokens(*, actor: Actor, agent: Agent, reason: str) -> int:
    """Delete the agent's tokens and record it; for services that have asked the policy."""
    count, _ = AccessToken.objects.filter(user_id=agent.user_id).delete()
    if count:
        record_event(
            actor=actor,
            verb="agents.tokens_revoked",
            subject=agent.as_ref(),
            agent_id=str(agent.pk),
            sentence=f"{actor.label} revoked {count} access tokens of {agent.name}.",
            reason=reason,
        )
    return count


def _valid_secrets(application: OAuthApplication) -> Any:
    return application.secrets.filter(revoked_at=None, expires_at__gt=timezone.now()).order_by("-created_at")


def _issue(actor: Actor, application: OAuthApplication, reason: str, lifetime: timedelta) -> IssuedSecret:
    plain = SECRET_PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    row = ClientSecret(
        application=application,
        digest=_digest(plain),
        hint=plain[-4:],
        created_at=now,
        expires_at=now + lifetime,
    )
    row.full_clean()
    stamp(row, actor=actor, reason=reason).save()
    agent = application.agent
    record_event(
        actor=actor,
        verb="agents.client_secret_issued",
        subject=agent.as_ref(),
        agent_id=str(agent.pk),
        sentence=f"{actor.label} issued {agent.name} a client secret ending in {row.hint}, "
        f"valid until {row.expires_at:%Y-%m-%d %H:%M} UTC.",
        reason=reason,
        payload={"client_id": application.client_id, "secret_id": str(row.pk)},
    )
    return IssuedSecret(application.client_id, plain)


def _revoke(actor: Actor, secret: ClientSecret, reason: str) -> None:
    secret.revoked_at = timezone.now()
    stamp(secret, actor=actor, reason=reason).save(update_fields=["revoked_at"])
    secret.tokens.all().delete()
    agent = secret.application.agent
    record_event(
        actor=actor,
        verb="agents.client_secret_revoked",
        subject=agent.as_ref(),
        agent_id=str(agent.pk),
        sentence=f"{actor.label} revoked {agent.name}'s client secret ending in {secret.hint}.",
        reason=reason,
        payload={"client_id": secret.application.client_id, "secret_id": str(secret.pk)},
    )


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


# --- the token endpoint's side


def authenticate_client(*, client_id: str, secret: str, address: str) -> ClientSecret:
    """Return the valid secret row behind presented credentials (RFC 6749 section 2.3.1).

    Raises Refusal (UNAUTHENTICATED), recorded in the ledger; from the eleventh failure of a client in one
    minute on (LIMITED), not recorded any more. A right secret always works: with 256 random bits there is
    nothing to guess, and counting must not let a stranger lock an agent out. ``address`` groups the failures
    of unknown clients.
    """
    application = _application(client_id)
    try:
        return _good(_secret_of(application, secret))
    except Refusal as refusal:
        raise _recorded(refusal, application, client_id, address) from None


def _application(client_id: str) -> OAuthApplication | None:
    known = OAuthApplication.objects.select_related("agent__user")
    return known.filter(client_id=client_id).first() if _storable(client_id) else None


def _secret_of(application: OAuthApplication | None, secret: str) -> ClientSecret | None:
    if application is None or not _storable(secret):
        return None
    row = application.secrets.filter(digest=_digest(secret)).first()
    if row is not None:
        row.application = application
    return row


def lock_valid_secret(secret: ClientSecret) -> ClientSecret:
    """Lock the secret in the issuing transaction and look again: a revocation may have come in between.

    Raises Refusal (UNAUTHENTICATED).
    """
    return _good(lock_row(ClientSecret, secret.pk))


def _storable(*values: str) -> bool:
    return all(0 < len(value) <= LONGEST_CREDENTIAL and "\x00" not in value for value in values)


def _good(secret: ClientSecret | None) -> ClientSecret:
    """Return the secret if it buys a token. Only who holds a right one learns more than that it is wrong."""
    if secret is None:
        raise Refusal(
            "wrong_credentials",
            "No token was issued: the client id and secret do not match. Check both, or ask for a new secret.",
            kind=RefusalKind.UNAUTHENTICATED,
        )
    if not secret.is_valid():
        code, fate = (
            ("secret_revoked", "was revoked") if secret.revoked_at else ("secret_expired", "has expired")
        )
        raise Refusal(
            code,
            f"No token was issued: the secret {fate}. Ask for a new one.",
            kind=RefusalKind.UNAUTHENTICATED,
        )
    policies.require(policies.may_authenticate(secret.application.agent))
    return secret


def _recorded(refusal: Refusal, application: OAuthApplication | None, client_id: str, address: str) -> Refusal:
    """Record the refusal and return it; past the limit of failures return the limit instead, unrecorded."""
    key = application.client_id if application else f"address {address}"
    if not within_limit(f"token {key}"):
        return Refusal(
            "too_many_failures",
            f"No token was issued: more than {FAILURES_A_MINUTE} failed attempts in a minute. "
            "Wait a minute and use a valid secret.",
            detail={"retry_after": 60},
            kind=RefusalKind.LIMITED,
        )
    endpoint = Actor.system("token endpoint")
    _record_refusal("agents.token_refused", endpoint, refusal, application, client_id)
    return refusal


def note_call_refused(
    *, refusal: Refusal, application: OAuthApplication | None = None, address: str = ""
) -> None:
    """Record that a call came with a token that is no good; at most ten a minute of one client or address."""
    key = application.client_id if application else f"address {address}"
    if within_limit(f"call {key}"):
        actor = application.agent.user.as_actor() if application else Actor.system("API")
        _record_refusal("agents.call_refused", actor, refusal, application, "a token nobody knows")


def note_overreach(*, actor: Actor, refusal: Refusal) -> None:
    """Record that an agent tried what only people may do; at most ten a minute of one agent."""
    if not within_limit(f"overreach {actor.id}"):
        return
    agent = Agent.objects.filter(user_id=actor.id).first()
    record_refusal(
        actor=actor,
        verb="agents.agent_overreached",
        subject=agent.as_ref() if agent else Ref("agents.user", actor.id, actor.label),
        refusal=refusal,
        agent_id=str(agent.pk) if agent else "",
    )


def _record_refusal(
    verb: str, actor: Actor, refusal: Refusal, application: OAuthApplication | None, shown: str
) -> None:
    unknown = Ref("agents.oauthapplication", "", shown[:64].replace("\x00", ""))
    record_refusal(
        actor=actor,
        verb=verb,
        subject=application.agent.as_ref() if application else unknown,
        refusal=refusal,
        agent_id=str(application.agent_id) if application else "",
        department_id=str(application.agent.department_id) if application else "",
    )


def within_limit(key: str) -> bool:
    """Count one more failure of ``key`` in the present minute; tell whether it is among the first ten.

    A counter that cannot be reached counts nothing: it must not turn a refusal into an error.
    """
    name = _counter(key)
    try:
        cache.add(name, 0, timeout=60)
        return int(cache.incr(name)) <= FAILURES_A_MINUTE
    except Exception:
        logger.warning("The counter of failed requests cannot be reached.", exc_info=True)
        return True


def is_exhausted(key: str) -> bool:
    """Tell whether ``key`` has failed as often as it may in the present minute; counts nothing."""
    try:
        return int(cache.get(_counter(key), 0)) >= FAILURES_A_MINUTE
    except Exception:
        logger.warning("The counter of failed requests cannot be reached.", exc_info=True)
        return False


def _counter(key: str) -> str:
    return "failures:" + hashlib.sha256(key.encode()).hexdigest()


def note_token_issued(*, token: AccessToken) -> None:
    """Record that a secret bought a token, and drop this client's expired ones (same transaction)."""
    agent = token.application.agent
    secret = token.secret
    secret.last_used_at = timezone.now()
    secret.skip_history_when_saving = True
    secret.save(update_fields=["last_used_at"])
    _drop_expired(token.application)
    record_event(
        actor=Actor(ActorKind.AGENT, str(agent.user_id), agent.name),
        verb="agents.token_issued",
        subject=agent.as_ref(),
        agent_id=str(agent.pk),
        sentence=f"{agent.name} was issued an access token until {token.expires:%H:%M:%S} UTC.",
        payload={"secret_id": str(secret.pk)},
    )


def _drop_expired(application: OAuthApplication) -> None:
    # Kept for a while after its time, so that who uses it late is told that it expired, not that it is unknown.
    # Locked with SKIP LOCKED, so that two token requests of one client never wait for each other in a circle.
    stale = AccessToken.objects.filter(application=application, expires__lt=timezone.now() - KEEP_EXPIRED)
    ids = list(stale.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:100])
    if ids:
        AccessToken.objects.filter(pk__in=ids).delete()
