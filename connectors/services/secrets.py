"""Credentials at rest: AES-256-GCM envelopes (NIST SP 800-38D) bound to their row and purpose; fail closed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from agents.policies import may, require, require_reason
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind
from connectors.models import Account, Secret

KEY_BYTES = 32
NONCE_BYTES = 12
MAX_SECRET_CHARACTERS = 8192


def set_secret(*, actor: Actor, account: Account, secret: str, reason: str) -> Account:
    """Write an account's credential in place of the old one; it can be used from now on and never be read.

    Raises Refusal when the actor may not, when the text cannot be a credential, or when no KEK is configured.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(of=("self",)).select_related("system").get(pk=account.pk)
        require(may(actor, "connectors.change_account", f"write the secret of {account}"))
        require_reason(reason)
        _require_usable(secret)
        old = account.secret
        account.secret = seal(plaintext=secret, purpose=purpose_of(account))
        account.save(update_fields=["secret"])
        if old:
            old.delete()
        record_event(
            actor=actor,
            verb="connectors.secret_written",
            subject=account.as_ref(),
            sentence=f"{actor.label} wrote a new secret for {account}.",
            system_id=str(account.system_id),
            reason=reason,
        )
    return account


def drop_secret(*, actor: Actor, account: Account, reason: str) -> None:
    """Take an account's credential away, in the transaction of the service that asked the policy."""
    old = account.secret
    if old is None:
        return
    account.secret = None
    account.save(update_fields=["secret"])
    old.delete()
    record_event(
        actor=actor,
        verb="connectors.secret_dropped",
        subject=account.as_ref(),
        sentence=f"The secret of {account} was taken away, because its system was moved. Write it again.",
        system_id=str(account.system_id),
        reason=reason,
    )


def purpose_of(account: Account) -> str:
    """Return what the secret of this account is for; it is part of what the ciphertext is bound to."""
    return f"connectors.account:{account.pk}"


def reveal_for_call(account: Account) -> str:
    """Return the credential for one outbound call; only the services of this room may ask.

    Raises Refusal ``secret_unreadable`` when the key is missing or wrong or the row was tampered with.
    """
    if account.secret is None:
        raise Refusal(
            "secret_missing",
            f"{account} was not used: it has no secret yet. Write one in Systems, Accounts.",
            kind=RefusalKind.UNAVAILABLE,
            next_step="Ask an administrator to write the secret of the account.",
        )
    return open_secret(account.secret, purpose=purpose_of(account))


def seal(*, plaintext: str, purpose: str) -> Secret:
    """Store a text under a fresh data key, which is wrapped by the primary KEK."""
    secret = Secret(id=uuid7(), purpose=purpose)
    data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
    secret.ciphertext = _encrypt(data_key, plaintext.encode(), _binding(secret.id, purpose, "secret"))
    _wrap(secret, data_key)
    secret.save(force_insert=True)
    return secret


def open_secret(secret: Secret, *, purpose: str) -> str:
    """Return the text, or raise Refusal ``secret_unreadable``; there is no way to a default."""
    data_key = _unwrap(secret, purpose)
    try:
        return _decrypt(data_key, secret.ciphertext, _binding(secret.id, purpose, "secret")).decode()
    except InvalidTag as error:
        raise _unreadable("its ciphertext does not belong to this row") from error


def rotate_secrets(*, actor: Actor, batch: int = 200) -> int:
    """Wrap every data key with the primary KEK; return how many changed. Safe beside traffic and to repeat.

    Each batch is recorded with its change, so that a rotation that breaks off has told of what it did.

    Secrets under a key that is not in CONNECTOR_KEKS stay as they are; ``unreadable_secrets`` counts them.
    """
    primary = _primary_id()
    older = [key for key in _keks() if key != primary]
    done = 0
    while True:
        with transaction.atomic():
            stale = Secret.objects.select_for_update(skip_locked=True).filter(kek_id__in=older)[:batch]
            changed = [_rewrap(secret) for secret in stale]
            if changed:
                _record_rotation(actor, len(changed), primary)
        done += len(changed)
        if not changed:
            return done


def unreadable_secrets() -> int:
    """Return how many secrets were written under a key that is no longer configured."""
    return Secret.objects.exclude(kek_id__in=list(_keks())).count()


def _record_rotation(actor: Actor, done: int, primary: str) -> None:
    record_event(
        actor=actor,
        verb="connectors.secrets_rotated",
        subject=Ref("connectors.secret", primary, "all secrets"),
        sentence=f"{done} secrets are now under the key {primary}.",
    )


def _rewrap(secret: Secret) -> Secret:
    data_key = _unwrap(secret, secret.purpose)
    _wrap(secret, data_key)
    secret.rotated_at = timezone.now()
    secret.save(update_fields=["wrapped_key", "kek_id", "rotated_at"])
    return secret


def _wrap(secret: Secret, data_key: bytes) -> None:
    secret.kek_id = _primary_id()
    binding = _binding(secret.id, secret.purpose, f"key:{secret.kek_id}")
    secret.wrapped_key = _encrypt(_keks()[secret.kek_id], data_key, binding)


def _unwrap(secret: Secret, purpose: str) -> bytes:
    kek = _keks().get(secret.kek_id)
    if kek is None:
        raise _unreadable(f"the key {secret.kek_id} it was written with is not in CONNECTOR_KEKS")
    try:
        return _decrypt(kek, secret.wrapped_key, _binding(secret.id, purpose, f"key:{secret.kek_id}"))
    except InvalidTag as error:
        raise _unreadable("it does not belong to this row and purpose, or the key is wrong") from error


def _binding(secret_id: UUID, purpose: str, part: str) -> bytes:
    return json.dumps(["autonomy.secret.v1", str(secret_id), purpose, part]).encode()


def _encrypt(key: bytes, plaintext: bytes, binding: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, binding)


def _decrypt(key: bytes, stored: bytes | memoryview, binding: bytes) -> bytes:
    stored = bytes(stored)
    return AESGCM(key).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], binding)


def _keks() -> dict[str, bytes]:
    return _parse_keks(tuple(settings.CONNECTOR_KEKS))


def _primary_id() -> str:
    return next(iter(_keks()))


@lru_cache(maxsize=8)
def _parse_keks(encoded: tuple[str, ...]) -> dict[str, bytes]:
    try:
        keys = [base64.b64decode(entry, validate=True) for entry in encoded]
    except (binascii.Error, ValueError) as error:
        raise _unreadable("CONNECTOR_KEKS is not a list of base64 keys") from error
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise _unreadable("CONNECTOR_KEKS must name at least one key of 32 bytes")
    return {hashlib.sha256(b"autonomy.kek" + key).hexdigest()[:16]: key for key in keys}


def _require_usable(secret: str) -> None:
    if not secret or len(secret) > MAX_SECRET_CHARACTERS or any(c in secret for c in "\r\n\0"):
        raise Refusal(
            "invalid_secret",
            "The secret was refused: it is empty, too long, or has a line break in it. Paste it again.",
            kind=RefusalKind.INVALID,
        )


def _unreadable(why: str) -> Refusal:
    return Refusal(
        "secret_unreadable",
        f"The credential could not be used: {why}. Nothing was sent. Check CONNECTOR_KEKS, or write it again.",
        kind=RefusalKind.UNAVAILABLE,
        next_step="Ask an administrator to check the keys of the portal.",
    )
