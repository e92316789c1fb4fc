"""People's accounts. The identity of an agent is shown, and never touched, here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from agents.admin.base import WorkforceAdmin, changed_values, trail
from agents.forms import NewPersonForm, PersonForm
from agents.models import User
from agents.services import leading, people
from audit.adminkit import actor_of
from audit.wording import name_lazy


class KindFilter(admin.SimpleListFilter):
    """People, as long as nobody asks for the identities by which agents are known."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("agents", "Identities of agents"), ("all", "Both")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Say what is shown without a choice."""
        first, *others = super().choices(changelist)
        yield {**first, "display": name_lazy("People")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        if self.value() == "all":
            return queryset
        wanted = User.Kind.AGENT if self.value() == "agents" else User.Kind.PERSON
        return queryset.filter(kind=wanted)


@admin.register(User)
class PersonAdmin(WorkforceAdmin, UserAdmin):
    """Who may sign in, and with which groups. Rights come from groups only."""

    form = PersonForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("shown_name", "username", "shown_kind", "department", "shown_groups", "is_active")
    list_filter = (KindFilter, "is_active", "groups", "department")
    list_select_related = ("department", "manager")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    autocomplete_fields = ()
    readonly_fields = ("shown_kind", "last_login", "date_joined", "shown_trail")
    add_fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "department")}),
        ("Signing in", {"fields": ("usable_password", "password1", "password2")}),
        ("Rights", {"fields": ("groups",)}),
    )
    fieldsets = (
        (
            "Person",
            {
                "classes": ["tab"],
                "fields": ("username", "first_name", "last_name", "email", "department", "manager"),
            },
        ),
        ("Rights", {"classes": ["tab"], "fields": ("is_active", "groups")}),
        ("Account", {"classes": ["tab"], "fields": ("shown_kind", "last_login", "date_joined")}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """An agent's identity has no password and no rights of its own: nobody edits it."""
        return not (obj is not None and obj.is_agent) and super().has_change_permission(request, obj)

    def create(self, request: HttpRequest, form: Any) -> User:
        wanted = ("username", "first_name", "last_name", "email", "department", "groups", "reason")
        values = {field: form.cleaned_data[field] for field in wanted}
        usable = form.cleaned_data.get("set_usable_password", True)
        password = form.cleaned_data["password1"] if usable else None
        return people.create_person(actor=actor_of(request), password=password, **values)

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> User:
        changes = changed_values(form)
        groups = changes.pop("groups", None)
        reason, actor = form.cleaned_data["reason"], actor_of(request)
        person = User.objects.get(pk=obj.pk)
        with transaction.atomic():
            if "manager" in changes:
                manager = changes.pop("manager")
                self.waits(
                    request,
                    leading.set_manager(actor=actor, person=person, manager=manager, reason=reason),
                )
            if changes or groups is not None:
                people.update_person(actor=actor, person=person, changes=changes, groups=groups, reason=reason)
        return User.objects.get(pk=obj.pk)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set a person's password; that it happened is in the ledger, the password is nowhere."""
        with transaction.atomic():
            answer = super().user_change_password(request, id, form_url)
            if request.method == "POST" and answer.status_code == 302:
                people.note_new_password(actor=actor_of(request), person=User.objects.get(pk=id))
            return answer

    @display(description="Name", ordering="first_name")
    def shown_name(self, user: User) -> str:
        return user.get_full_name() or user.username

    @display(description="Kind", ordering="kind", label={"Person": "info", "Agent": "warning"})
    def shown_kind(self, user: User) -> str:
        return user.get_kind_display()

    @display(description="Groups")
    def shown_groups(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "-"

    @display(description="Trail")
    def shown_trail(self, user: User) -> str:
        return trail("agents.user", user)
