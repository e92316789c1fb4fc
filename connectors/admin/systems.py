"""Systems and the accounts used there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from unfold.decorators import display

from audit.adminkit import actor_of, reason_action
from audit.vocabulary import Refusal, RefusalKind
from connectors import services
from connectors.admin.base import ConnectionAdmin, values_of
from connectors.forms import AccountForm, SystemForm, TestForm
from connectors.models import Account, System
from connectors.selectors import health_of


@admin.register(System)
class SystemAdmin(ConnectionAdmin):
    """Installed enterprise systems."""

    form = SystemForm
    list_display = ("name", "category", "environment", "shown_health", "kind", "code")
    empty_title = "No system yet"
    empty_guide = "guide-systems"
    empty_step = "Connect the first one: where it is, then the account the portal uses there."
    next_step = "Next: add the account that the portal uses there (Accounts), then test the connection."
    list_filter = ("category", "environment", "is_enabled")
    list_select_related = ("health",)
    search_fields = ("name", "code", "base_url")
    actions_detail = ["test_connection"]
    fieldsets = (
        (None, {"fields": ("name", "code", "category", "kind", "environment", "is_enabled", "shown_health")}),
        ("Where it is", {"fields": ("base_url", "allowed_hosts", "private_networks", "config")}),
        (
            "How gently it is called",
            {
                "fields": (
                    "max_concurrent",
                    "connect_timeout",
                    "read_timeout",
                    "total_timeout",
                    "breaker_threshold",
                    "breaker_cooldown",
                )
            },
        ),
        ("Why", {"fields": ("reason",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        fixed = ("code", "kind") if obj else ()
        return (*super().get_readonly_fields(request, obj), "shown_health", *fixed)

    def create(self, request: HttpRequest, form: Any) -> System:
        return services.save_system(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **values_of(form)
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> System:
        return services.save_system(
            actor=actor_of(request),
            reason=form.cleaned_data["reason"],
            system=obj,  # type: ignore[arg-type]
            **values_of(form),
        )

    @display(description="Health", label={"Answers": "success", "Held back": "danger", "Failing": "warning"})
    def shown_health(self, system: System) -> str:
        return health_of(system) if system.pk else "-"

    @reason_action(
        title="Test the connection?",
        description="Test connection",
        text="Reads something harmless with the system's account. Nothing is changed there.",
        submit="Test",
        permission="connectors.test_system",
        form_class=TestForm,
        available=lambda system: system.is_enabled,
        icon="network_check",
    )
    def test_connection(self, request: HttpRequest, system: System, data: Any) -> str:
        result = services.test_connection(actor=actor_of(request), system=system)
        if not result.ok:
            raise Refusal(
                "connection_failed", f"The test failed. {result.message}", kind=RefusalKind.UNAVAILABLE
            )
        return f"The connection works. {result.message}"


@admin.register(Account)
class AccountAdmin(ConnectionAdmin):
    """Whose key is used at a system. A secret can be written here and read nowhere."""

    form = AccountForm
    list_display = ("name", "system", "shown_holder", "scheme", "shown_secret", "is_enabled")
    empty_title = "No account yet"
    empty_step = "An account is the key that the portal uses at a system. An agent never holds it."
    next_step = "Next: open its system and test the connection."
    list_filter = ("system", "scheme", "is_enabled")
    list_select_related = ("system", "role", "agent", "secret")
    search_fields = ("name", "system__name")
    fields = (
        "system",
        "name",
        "role",
        "agent",
        "scheme",
        "username",
        "header_name",
        "is_enabled",
        "shown_secret",
        "new_secret",
        "reason",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        fixed = ("system",) if obj else ()
        return (*super().get_readonly_fields(request, obj), "shown_secret", *fixed)

    def create(self, request: HttpRequest, form: Any) -> Account:
        return services.save_account(
            actor=actor_of(request),
            reason=form.cleaned_data["reason"],
            secret=form.cleaned_data["new_secret"],
            **values_of(form, "new_secret"),
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Account:
        account: Account = obj  # type: ignore[assignment]
        return services.save_account(
            actor=actor_of(request),
            reason=form.cleaned_data["reason"],
            account=account,
            secret=form.cleaned_data["new_secret"],
            **{"system": account.system, **values_of(form, "new_secret")},
        )

    @display(description="Used by")
    def shown_holder(self, account: Account) -> str:
        return str(account.agent or account.role or "everybody else")

    @display(description="Secret")
    def shown_secret(self, account: Account) -> str:
        if not account.pk or account.secret is None:
            return "None yet"
        return f"Written {date_format(localtime(account.secret.written_at), 'DATETIME_FORMAT')}"
