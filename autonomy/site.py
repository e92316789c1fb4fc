"""The admin as the frame of every page of ours."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from audit.wording import said_lazy

if TYPE_CHECKING:
    from agents.models import User


class PortalAdminSite(UnfoldAdminSite):
    """The theme's site, which asks what lists there are for somebody only where they are shown.

    Every page has them in its context, and our menu shows none of them; to know them costs up to a question for
    each model, which was half the time of a page.
    """

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the list of apps and models this person may see, worked out when it is first looked at."""
        found = super().get_app_list
        return SimpleLazyObject(lambda: found(request, app_label))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page has in its context; the words below the name are their reader's."""
        found: dict[str, Any] = super().each_context(request)
        return {**found, "site_subheader": said_lazy(str(found["site_subheader"]))}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign somebody in, and record it with the session that makes it so."""
        from agents.services import people  # noqa: PLC0415 - the apps are loaded only now

        answer: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and answer.status_code == HTTPStatus.FOUND:
            address = request.META.get("REMOTE_ADDR", "")
            people.note_signed_in(person=cast("User", request.user), session=request.session, address=address)
        return answer

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign somebody out, and record it in the transaction that ends the session."""
        from agents.services import people  # noqa: PLC0415 - as above

        person = request.user
        with transaction.atomic():
            if request.method == "POST" and person.is_authenticated:
                people.note_signed_out(person=person)
            answer: HttpResponse = super().logout(request, extra_context)
        return answer

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Let somebody change their own password; that it happened is in the ledger."""
        from agents.services import people  # noqa: PLC0415 - as above

        with transaction.atomic():
            answer: HttpResponse = super().password_change(request, extra_context)
            if request.method == "POST" and answer.status_code == HTTPStatus.FOUND:
                people.note_own_password(person=cast("User", request.user))
        return answer
