"""Systems and the accounts used there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.decorators import display

from agents.admin.lists import ListMixin, ago, tag
from audit.adminkit import actor_of, reason_action
from audit.vocabulary import Refusal, RefusalKind
from connectors import services
from connectors.admin.base import ConnectionAdmin, values_of
from connectors.forms import AccountForm, SystemForm, TestForm
from connectors.models import Account, System
from connectors.selectors import health_of

HEALTH = {
    "Answers": ("check_circle", "good"),
    "Failing": ("warning", "wait"),
    "Held back": ("block", "bad"),
    "Off": ("power_settings_new", "bad"),
}


@admin.register(System)
class SystemAdmin(ListMixin, ConnectionAdmin):
    """Installed enterprise systems."""

    form = SystemForm
    list_display = (
        "name",
        "category",
        "environment",
        "shown_health_tag",
        "shown_answered",
        "shown_operations",
        "shown_holders",
    )
    file_page = "system-file"
    change_form_before_template = "connectors/system_before.html"
    csv_columns = (
        ("Name", lambda system: system.name),
        ("Code", lambda system: system.code),
        ("Category", lambda system: system.get_category_display()),
        ("Environment", lambda system: system.get_environment_display()),
        ("Driver", lambda system: system.kind),
        ("Address", lambda system: system.base_url),
        ("Health", health_of),
        ("Last answered", lambda system: getattr(getattr(system, "health", None), "last_ok_at", None)),
        ("Last failed", lambda system: getattr(getattr(system, "health", None), "last_failure_at", None)),
        ("Operations in use", lambda system: system.operation_count),
        ("Accounts", lambda system: system.account_count),
    )
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

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[System]:
        published = models.Q(operations__is_enabled=True, operations__current_revision__isnull=False)
        counted = {
            "operation_count": models.Count("operations", filter=published, distinct=True),
            "account_count": models.Count("accounts", distinct=True),
        }
        return super().get_queryset(request).annotate(**counted)

    @display(description="Health")
    def shown_health_tag(self, system: System) -> SafeString:
        said = health_of(system)
        return tag(said, *HEALTH.get(said, ("schedule", "")))

    @display(description="Last answered", ordering="health__last_ok_at")
    def shown_answered(self, system: System) -> SafeString | str:
        return ago(getattr(getattr(system, "health", None), "last_ok_at", None))

    @display(description="Operations in use", ordering="operation_count")
    def shown_operations(self, system: Any) -> int:
        return int(system.operation_count)

    @display(description="Accounts", ordering="account_count")
    def shown_holders(self, system: Any) -> SafeString | str:
        return str(system.account_count) if system.account_count else tag("None", "key_off", "wait")

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
