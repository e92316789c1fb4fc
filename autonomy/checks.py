"""What an installation must and should have; each finding says what to do. Run by every start of manage.py."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from agents.decision import Effect

KEY_BYTES = 32
SHORTEST_SECRET_KEY = 40
OLDEST_POSTGRESQL = 150_000
SHORTEST_STEP_UP, LONGEST_STEP_UP = 30, 3600
LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1", "testserver", ""}


@register(Tags.security)
def check_connector_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without a good key no secret of a connected system can be stored or read."""
    hint = "Set CONNECTOR_KEKS to base64 of 32 random bytes: openssl rand -base64 32. Keep a copy elsewhere."
    if not settings.CONNECTOR_KEKS:
        return [Error("CONNECTOR_KEKS is empty.", hint=hint, id="autonomy.E001")]
    bad = [number for number, key in enumerate(settings.CONNECTOR_KEKS, 1) if not _is_key(key)]
    return [
        Error(f"Key {number} of CONNECTOR_KEKS is not base64 of 32 bytes.", hint=hint, id="autonomy.E002")
        for number in bad
    ]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


@register(Tags.security)
def check_secret_key(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Sessions and links are signed with it."""
    if len(settings.SECRET_KEY) >= SHORTEST_SECRET_KEY:
        return []
    hint = (
        "Set it to 40 random characters or more: openssl rand -base64 48. Everybody has to sign in again then."
    )
    return [Error("SECRET_KEY is too short to be safe.", hint=hint, id="autonomy.E003")]


@register(Tags.security)
def check_exposure(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """What is right on one's own machine is not right on a network."""
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOOPBACK]
    if "*" in public:
        hint = "Name the hosts: a forged Host header would reach links in messages and the check of sockets."
        yield Error("ALLOWED_HOSTS admits every host.", hint=hint, id="autonomy.E004")
    if settings.DEBUG and (public or settings.HTTPS_ONLY):
        hint = "Unset DEBUG: its error pages show settings, SQL and arguments to whoever causes an error."
        yield Error("DEBUG is on in an installation that others can reach.", hint=hint, id="autonomy.E005")
    if public and not settings.HTTPS_ONLY:
        hint = "Put a TLS proxy in front and set HTTPS_ONLY=1; FORWARDED_ALLOW_IPS names the proxy."
        yield Warning("Sign-ins and agents' tokens travel without encryption.", hint=hint, id="autonomy.W001")


@register(Tags.security)
def check_redis(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whoever writes to the broker can have tasks run."""
    parts = urlsplit(settings.REDIS_URL)
    if parts.password or (parts.hostname or "") in LOOPBACK or parts.scheme == "unix":
        return []
    hint = "Give the server a password and put it into REDIS_URL: redis://:password@host:6379/0."
    return [Warning("The Redis server of REDIS_URL asks for no password.", hint=hint, id="autonomy.W002")]


@register(Tags.security)
def check_step_up(app_configs: Any, **kwargs: Any) -> Iterable[CheckMessage]:
    """Whoever sets these wants high risk to be asked about twice; a slip of the pen must not switch it off."""
    if not SHORTEST_STEP_UP <= settings.STEP_UP_SECONDS <= LONGEST_STEP_UP:
        hint = f"Set it to {SHORTEST_STEP_UP} to {LONGEST_STEP_UP} seconds."
        yield Error("STEP_UP_SECONDS is out of range.", hint=hint, id="autonomy.E008")
    if unknown := sorted(set(settings.STEP_UP_EFFECTS) - set(Effect)):
        hint = f"Name effects only: {', '.join(Effect)}."
        yield Error(f"STEP_UP_EFFECTS names what is no effect: {unknown}.", hint=hint, id="autonomy.E009")


@register(Tags.database)
def check_database(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Iterable[CheckMessage]:
    """The application works as a role that cannot change the ledger, on a server that is new enough."""
    if "default" not in (databases or ()):
        return
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int, current_setting('is_superuser')")
        version, superuser = cursor.fetchone()
    if version < OLDEST_POSTGRESQL:
        hint = "PostgreSQL 15 or later is needed; leave DATABASE_URL out to use the one that comes along."
        yield Error(f"The database is PostgreSQL {version // 10_000}.", hint=hint, id="autonomy.E006")
    if superuser == "on":
        hint = (
            "Give DATABASE_URL a role without that right (docs/installing.md): triggers alone guard the ledger."
        )
        yield Error("The portal works as a superuser of the database.", hint=hint, id="autonomy.E007")
