from __future__ import annotations

import base64
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Account, Secret
from connectors.services import save_system, set_secret
from connectors.services import test_connection as try_connection
from connectors.services.secrets import open_secret, purpose_of, reveal_for_call, rotate_secrets, seal
from tests.connectors.conftest import PORTAL
from tests.fakes import KEY

OLD, OLDER, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"p", b"n"))


@pytest.fixture
def keks(settings: Any) -> Any:
    def use(*keys: str) -> None:
        settings.CONNECTOR_KEKS = list(keys)

    use(OLD)
    return use


@pytest.mark.django_db
def test_a_secret_comes_back_for_its_row_and_purpose_only(keks: Any) -> None:
    secret = seal(plaintext="hunter2", purpose="a")
    secret.refresh_from_db()
    assert open_secret(secret, purpose="a") == "hunter2"
    assert b"hunter2" not in bytes(secret.ciphertext) + bytes(secret.wrapped_key)
    with pytest.raises(Refusal) as refused:
        open_secret(secret, purpose="b")
    assert refused.value.code == "secret_unreadable"


@pytest.mark.django_db
@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key"])
def test_what_is_copied_from_another_row_is_refused(keks: Any, part: str) -> None:
    mine, theirs = seal(plaintext="mine", purpose="a"), seal(plaintext="theirs", purpose="a")
    setattr(mine, part, getattr(theirs, part))
    mine.save()
    mine.refresh_from_db()
    with pytest.raises(Refusal):
        open_secret(mine, purpose="a")


@pytest.mark.django_db
def test_nobody_has_a_key_sent_to_a_place_of_their_own(book: dict[str, Any], alice: Any) -> None:
    system, account, actor = book["system"], book["account"], alice.as_actor()
    save_system(actor=actor, system=system, base_url=f"{system.base_url}/books", reason="another path")
    account.refresh_from_db()
    assert reveal_for_call(account) == KEY
    elsewhere = "https://collector.example"
    save_system(
        actor=actor, system=system, base_url=elsewhere, allowed_hosts=[f"{elsewhere}:443"], reason="it moved"
    )
    account.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        reveal_for_call(account)
    assert refused.value.code == "secret_missing"
    assert not Secret.objects.exists()
    assert Event.objects.get(verb="connectors.secret_dropped").actor_id == actor.id
    system.refresh_from_db()
    save_system(actor=actor, system=system, base_url=book["system"].base_url, reason="back again")
    assert not Secret.objects.exists()


@pytest.mark.django_db
def test_a_whole_row_copied_under_another_account_is_refused(book: dict[str, Any]) -> None:
    account = book["account"]
    stolen = Account(system=book["system"], name="second")
    stolen.secret = account.secret
    with pytest.raises(Refusal):
        reveal_for_call(stolen)


@pytest.mark.django_db
def test_one_flipped_bit_is_refused(keks: Any) -> None:
    secret = seal(plaintext="hunter2", purpose="a")
    broken = bytearray(secret.ciphertext)
    broken[-1] ^= 1
    secret.ciphertext = bytes(broken)
    with pytest.raises(Refusal):
        open_secret(secret, purpose="a")


@pytest.mark.django_db
@pytest.mark.parametrize("keys", [[], [NEW], ["not base64!"], [base64.b64encode(b"short").decode()]])
def test_a_wrong_or_missing_key_fails_closed_and_says_so(
    book: dict[str, Any], fake: Any, settings: Any, keys: list[str]
) -> None:
    settings.CONNECTOR_KEKS = keys
    result = try_connection(actor=PORTAL, system=book["system"])
    assert not result.ok
    assert "CONNECTOR_KEKS" in result.message
    assert not fake.requests
    with pytest.raises(Refusal):
        open_secret(book["account"].secret, purpose=purpose_of(book["account"]))


@pytest.mark.django_db
def test_rotation_wraps_every_key_anew_and_loses_nothing(keks: Any) -> None:
    secrets = [seal(plaintext=f"s{number}", purpose="a") for number in range(5)]
    keks(NEW, OLD)
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    assert "5" in out.getvalue()
    assert rotate_secrets(actor=PORTAL) == 0
    keks(NEW)
    call_command("rotate_secrets", stdout=out)
    for number, secret in enumerate(secrets):
        secret.refresh_from_db()
        assert open_secret(secret, purpose="a") == f"s{number}"
        assert secret.rotated_at


@pytest.mark.django_db
def test_rotation_passes_over_what_it_cannot_read_and_says_so(keks: Any) -> None:
    lost = seal(plaintext="lost", purpose="a")
    keks(OLDER)
    kept = seal(plaintext="kept", purpose="a")
    keks(NEW, OLDER)
    with pytest.raises(CommandError, match="1 secrets are under a key"):
        call_command("rotate_secrets", stdout=StringIO())
    kept.refresh_from_db()
    assert open_secret(kept, purpose="a") == "kept"
    with pytest.raises(Refusal):
        open_secret(lost, purpose="a")


@pytest.mark.django_db
def test_a_secret_is_in_no_history_event_or_printed_form(book: dict[str, Any]) -> None:
    account = set_secret(actor=PORTAL, account=book["account"], secret="canary-5a1f", reason="a new key")
    assert reveal_for_call(account) == "canary-5a1f"
    assert Secret.objects.count() == 1
    rows = [
        list(Account.history.values()),
        list(Event.objects.values()),
        list(Event.objects.values("payload__data")),
    ]
    assert "canary-5a1f" not in str(rows) + repr(account) + repr(account.secret) + str(account.secret)
    assert "secret" not in {field.name for field in Account.history.model._meta.fields}


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "a\nb", "a\r\nX: y", "a\x00", "x" * 9000])
def test_what_cannot_be_a_credential_is_refused(book: dict[str, Any], text: str) -> None:
    with pytest.raises(Refusal) as refused:
        set_secret(actor=PORTAL, account=book["account"], secret=text, reason="a new key")
    assert refused.value.code == "invalid_secret"
    assert reveal_for_call(book["account"]) == KEY


@pytest.mark.django_db
def test_who_may_not_change_accounts_writes_no_secret(book: dict[str, Any], mallory: Any, dave: Any) -> None:
    for person in (mallory, dave):
        with pytest.raises(Refusal) as refused:
            set_secret(actor=person.as_actor(), account=book["account"], secret="x", reason="because")
        assert refused.value.code == "permission_missing"
