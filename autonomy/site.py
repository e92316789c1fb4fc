"""The admin as the frame of every page of ours."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class PortalAdminSite(UnfoldAdminSite):
    """The theme's site, which asks what lists there are for somebody only where they are shown.

    Every page has them in its context, and our menu shows none of them; to know them costs up to a question for
    each model, which was half the time of a page.
    """

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the list of apps and models this person may see, worked out when it is first looked at."""
        found = super().get_app_list
        return SimpleLazyObject(lambda: found(request, app_label))
