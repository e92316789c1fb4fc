"""Who is calling: short opaque tokens of agents, checked in the database at every call."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import unquote_plus

from django.db.models import Exists
from django.utils import timezone
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2.rfc6749 import errors
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from agents import policies
from agents.models import AccessToken, OAuthApplication, User
from agents.services import credentials, stops
from audit.vocabulary import Refusal, RefusalKind

LONGEST_TOKEN = 128
TOKEN_PARAMETERS = frozenset({"grant_type", "client_id", "client_secret", "scope"})


class AgentTokenAuthentication(BaseAuthentication):
    """Bearer tokens (RFC 6750) in the Authorization header, and nowhere else.

    Sets ``request.user`` to the agent's User and ``request.auth`` to the token. One query per call, no cache,
    so that whatever is revoked is refused on the very next call. A paused agent keeps its token: the decision
    refuses it with words of its own. An agent that is stopped as a whole is refused here (403), except where it
    reads why (``answers_stopped_agents`` on the view).
    """

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        """Return the agent and its token; None when no bearer token is presented; else raise (401)."""
        scheme, _, rest = get_authorization_header(request).partition(b" ")
        in_address = "access_token" in request.query_params
        if scheme.lower() != b"bearer" and not in_address:
            return None
        try:
            if in_address:
                raise _refusal("token_in_url", "A token in the address is refused. Send it in a header.")
            token = _live_token(_text_of(rest))
            if token.is_anything_stopped and not _may_read_while_stopped(request):
                _refuse_stopped(token)
        except _AccessRefused as refused:
            address = request.META.get("REMOTE_ADDR", "")
            credentials.note_call_refused(
                refusal=refused.refusal, application=refused.application, address=address
            )
            if refused.refusal.kind == RefusalKind.FORBIDDEN:
                raise refused.refusal from None
            raise AuthenticationFailed(refused.refusal.message, code=refused.refusal.code) from None
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 answer (RFC 6750 section 3)."""
        presented = bool(get_authorization_header(request))
        return 'Bearer realm="portal"' + (', error="invalid_token"' if presented else "")


class _AccessRefused(Exception):
    def __init__(self, refusal: Refusal, application: OAuthApplication | None = None) -> None:
        super().__init__(refusal.code)
        self.refusal, self.application = refusal, application


def _refusal(code: str, words: str, token: AccessToken | None = None) -> _AccessRefused:
    refusal = Refusal(code, words, kind=RefusalKind.UNAUTHENTICATED)
    return _AccessRefused(refusal, token.application if token else None)


def _text_of(presented: bytes) -> str:
    token = presented.strip()
    if not 0 < len(token) <= LONGEST_TOKEN or not token.isascii() or b" " in token or b"\x00" in token:
        raise _refusal("token_malformed", "The Authorization header does not hold one bearer token.")
    return token.decode("ascii")


def _live_token(text: str) -> AccessToken:
    found = (
        AccessToken.objects.select_related("user", "secret", "application__agent")
        .annotate(is_anything_stopped=Exists(stops.stops_of_agents()))
        .filter(token_checksum=hashlib.sha256(text.encode()).hexdigest())
        .first()
    )
    if found is None or found.user is None:
        raise _refusal("token_unknown", "The token is unknown or was revoked. Fetch a new one.")
    agent = found.application.agent
    if agent.user_id == found.user_id:
        found.user.agent = agent  # they were read together; whoever asks for the other one has it
    if found.expires <= timezone.now():
        raise _refusal("token_expired", "The token has expired. Fetch a new one.", found)
    if found.secret.revoked_at is not None:
        raise _refusal("token_unknown", "The secret behind the token was revoked. Ask for a new one.", found)
    if refusal := policies.may_authenticate(agent):
        raise _AccessRefused(refusal, found.application)
    return found


def _may_read_while_stopped(request: Request) -> bool:
    view = (request.parser_context or {}).get("view")
    return request.method in SAFE_METHODS and getattr(view, "answers_stopped_agents", False)


def _refuse_stopped(token: AccessToken) -> None:
    try:
        stops.refuse_stopped_agent(token.application.agent)
    except Refusal as refusal:
        raise _AccessRefused(refusal, token.application) from refusal


class TokenRequest(OAuthLibCore):
    """Hands the toolkit's server the four parameters of this grant and nothing else of the form.

    Whatever else is in a form would overwrite what the server keeps on its request, even its client and user.
    """

    def extract_body(self, request: Any) -> list[tuple[str, str]]:
        """Return the known parameters; the view has refused doubled ones."""
        return [(key, value) for key, value in request.POST.items() if key in TOKEN_PARAMETERS]


class ClientCredentialsValidator(OAuth2Validator):
    """The toolkit's validator for one grant: secrets in rows of ours, tokens of the agent's own User."""

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Accept HTTP Basic (preferred) or the form, never both (RFC 6749 section 2.3)."""
        client_id, secret = _presented(request)
        try:
            row = credentials.authenticate_client(
                client_id=client_id, secret=secret, address=request.headers.get("REMOTE_ADDR", "")
            )
        except Refusal as refusal:
            raise _oauth_error(refusal) from refusal
        request.client = row.application
        request.client_id = row.application.client_id
        request.used_secret = row
        return True

    def _create_access_token(
        self, expires: Any, request: Any, token: Any, source_refresh_token: Any = None
    ) -> AccessToken:
        try:
            secret = credentials.lock_valid_secret(request.used_secret)
        except Refusal as refusal:
            raise _oauth_error(refusal) from refusal
        issued = AccessToken(
            user_id=secret.application.agent.user_id,
            application=secret.application,
            secret=secret,
            scope=token["scope"],
            expires=expires,
        )
        self._set_token_value(issued, token["access_token"])
        issued.save()
        credentials.note_token_issued(token=issued)
        return issued


def _presented(request: Any) -> tuple[str, str]:
    header = request.headers.get("HTTP_AUTHORIZATION", "")
    in_form = (request.client_id or "", request.client_secret or "")
    if not header:
        return in_form
    if request.client_secret:
        raise errors.InvalidRequestError(
            description="Send the secret in the header or in the form, not in both."
        )
    in_header = _basic(header)
    if in_form[0] not in ("", in_header[0]):
        raise errors.InvalidRequestError(description="The header and the form name different clients.")
    return in_header


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > 4 * credentials.LONGEST_CREDENTIAL:
        raise errors.InvalidClientError(description="Authenticate with HTTP Basic or in the form.")
    try:
        client_id, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError as error:  # not base64, not ASCII or not UTF-8
        raise errors.InvalidClientError(
            description="The Authorization header is not valid HTTP Basic."
        ) from error
    return (unquote_plus(client_id), unquote_plus(secret)) if separator else ("", "")


def _oauth_error(refusal: Refusal) -> errors.OAuth2Error:
    status = 429 if refusal.kind == RefusalKind.LIMITED else 401
    # Descriptions are ASCII without quotes and backslashes (RFC 6749 section 5.2).
    words = refusal.message.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "/")
    return errors.InvalidClientError(description=words, status_code=status)
