"""How an agent proves who it is: OAuth 2.0 client credentials (RFC 6749 section 4.4) and nothing else.

django-oauth-toolkit insists on five swappable models that refer to each other; only the application and the
access token are ever written here. Secrets live in rows of our own, so that a rotation can keep two valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

from agents.models.tracked import KeyedModel, tracked

if TYPE_CHECKING:
    from datetime import datetime


class OAuthApplication(AbstractApplication):
    """The OAuth client of one agent. It has no secret column: see ClientSecret."""

    client_secret = None
    hash_client_secret = None
    agent = models.OneToOneField(
        "agents.Agent",
        on_delete=models.CASCADE,
        related_name="oauth_application",
        help_text="Whose client it is.",
    )
    client_type = models.CharField(
        max_length=32,
        choices=AbstractApplication.CLIENT_TYPES,
        default=AbstractApplication.CLIENT_CONFIDENTIAL,
        editable=False,
    )
    authorization_grant_type = models.CharField(
        max_length=44,
        choices=AbstractApplication.GRANT_TYPES,
        default=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
        editable=False,
    )
    history = tracked()

    class Meta(AbstractApplication.Meta):
        abstract = False
        verbose_name = "OAuth client"
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                name="oauth_client_credentials_only",
                condition=Q(
                    authorization_grant_type=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
                    client_type=AbstractApplication.CLIENT_CONFIDENTIAL,
                    redirect_uris="",
                ),
            )
        ]

    def clean(self) -> None:
        """Nothing to ask beyond the constraint: the toolkit's checks are about redirects and OpenID."""

    def is_usable(self, request: Any) -> bool:
        """Return whether this client may get or use a token: not when its agent is retired or suspended."""
        agent = self.agent
        return agent.lifecycle != agent.Lifecycle.RETIRED and agent.brake != agent.Brake.SUSPENDED


class ClientSecret(KeyedModel):  # type: ignore[django-manager-missing]
    """One secret of one agent's OAuth client, kept as SHA-256 only; several may be valid at the same time.

    A plain hash is right here: the secret is 256 random bits, so there is nothing to guess that stretching
    would slow down (NIST SP 800-63B section 5.1.2.2 asks for it only below 112 bits).
    """

    application = models.ForeignKey(OAuthApplication, on_delete=models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the secret.")
    hint = models.CharField(max_length=12, help_text="The last characters, to tell one secret from another.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(help_text="No token is issued for it from this moment on.")
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="When a person revoked it.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="When it last bought a token.")
    history = tracked(excluded_fields=["digest", "last_used_at"])

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(
                name="client_secret_expires_after_creation", condition=Q(expires_at__gt=models.F("created_at"))
            )
        ]

    def __str__(self) -> str:
        return f"secret …{self.hint}"

    def is_valid(self, now: datetime | None = None) -> bool:
        """Return whether it still buys a token at ``now`` (an aware time; the present when absent)."""
        return self.revoked_at is None and (now or timezone.now()) < self.expires_at


class AccessToken(AbstractAccessToken):
    """A short opaque token: its SHA-256 is stored, never the token. It belongs to the agent's own User."""

    secret = models.ForeignKey(
        ClientSecret, on_delete=models.CASCADE, related_name="tokens", help_text="The secret that bought it."
    )

    class Meta(AbstractAccessToken.Meta):
        abstract = False
        default_permissions = ("view",)
        constraints = [models.CheckConstraint(name="access_token_kept_as_checksum_only", condition=Q(token=""))]


class Grant(AbstractGrant):
    """Asked for by the toolkit; there is no authorization endpoint, so no row is ever written."""

    class Meta(AbstractGrant.Meta):
        abstract = False
        default_permissions = ()


class RefreshToken(AbstractRefreshToken):
    """Asked for by the toolkit; client credentials have no refresh token (RFC 6749 section 4.4.3)."""

    class Meta(AbstractRefreshToken.Meta):
        abstract = False
        default_permissions = ()


class IDToken(AbstractIDToken):
    """Asked for by the toolkit; OpenID Connect is off."""

    class Meta(AbstractIDToken.Meta):
        abstract = False
        default_permissions = ()
