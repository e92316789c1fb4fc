"""Object permissions count in the admin, for pages and for the rows inside them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename
from django.db import models
from django.http import HttpRequest
from guardian.shortcuts import get_objects_for_user

from audit.adminkit.verbs import holds


class ObjectPermissionAdminMixin:
    """Object permissions count in the admin: list, page and change follow what the person holds on each object.

    There is no page to hand such permissions out: grants are given by services, with a reason.
    """

    opts: Any
    model: type[models.Model]

    def permission_name(self, verb: str) -> str:
        """Return ``app_label.verb_model`` of the model shown here."""
        return f"{self.opts.app_label}.{get_permission_codename(verb, self.opts)}"

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the objects this person holds view or change on; override it with the room's own selector."""
        return get_objects_for_user(
            request.user,
            [self.permission_name("view"), self.permission_name("change")],
            klass=self.model,
            any_perm=True,
            accept_global_perms=False,
        )

    def _sees_all(self, request: HttpRequest) -> bool:
        return any(request.user.has_perm(self.permission_name(verb)) for verb in ("view", "change"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        everything = super().get_queryset(request)  # type: ignore[misc]
        if self._sees_all(request):
            return everything
        return everything.filter(pk__in=self.permitted_objects(request).values("pk"))

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        # The sign-in page builds the menu, too, and for a stranger there is nobody to look up rights of.
        if not request.user.is_authenticated:
            return False
        if any(holds(request.user, self.permission_name(verb), obj) for verb in ("view", "change")):
            return True
        if obj is not None:
            return self.permitted_objects(request).filter(pk=obj.pk).exists()
        # The menu, the app list and the page ask this of every list, each for itself: one question is enough.
        answers: dict[Any, bool] = request.__dict__.setdefault("_lists_with_permitted_objects", {})
        if self.model not in answers:
            answers[self.model] = self.permitted_objects(request).exists()
        return answers[self.model]

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return holds(request.user, self.permission_name("change"), obj)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return holds(request.user, self.permission_name("delete"), obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_module_permission(request)) or self.has_view_permission(request)  # type: ignore[misc]
