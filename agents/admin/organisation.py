"""The shape of the company: departments, roles, its name and currency, and what foreign money is worth."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import display

from agents.admin.base import WorkforceAdmin, changed_values, trail, values_of, waiting_of
from agents.forms import MILLIONTHS, CodedForm, CompanyForm, ExchangeRateForm
from agents.models import CompanySettings, Department, ExchangeRate, Role
from agents.services import organisation
from audit.adminkit import actor_of


@admin.register(Department)
class DepartmentAdmin(WorkforceAdmin):
    """The tree of departments; moving one brings other rules for its agents, so it waits for two."""

    form = CodedForm
    list_display = ("name", "code", "parent", "manager", "shown_agents")
    list_select_related = ("parent", "manager")
    search_fields = ("name", "code")
    fields = ("name", "parent", "manager", "calendar", "code")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Department]:
        return super().get_queryset(request).annotate(agent_count=models.Count("agents"))

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(("code", "shown_trail") if obj else ()))

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return fields_with_trail(self, request, obj)

    def create(self, request: HttpRequest, form: Any) -> Department:
        made = organisation.create_department(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **values_of(form)
        )
        self.waits(request, waiting_of(made).first())
        return made

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        change = organisation.update_department(
            actor=actor_of(request),
            department=obj,  # type: ignore[arg-type]
            values=changed_values(form),
            reason=form.cleaned_data["reason"],
        )
        self.waits(request, change)
        return Department.objects.get(pk=obj.pk)

    @display(description="Agents", ordering="agent_count")
    def shown_agents(self, department: Any) -> int:
        return int(department.agent_count)

    @display(description="Trail")
    def shown_trail(self, department: Department) -> str:
        return trail("agents.department", department)


@admin.register(Role)
class RoleAdmin(WorkforceAdmin):
    """Jobs that agents have: what they are for and what good work looks like."""

    form = CodedForm
    list_display = ("name", "code", "shown_agents")
    search_fields = ("name", "code")
    fields = ("name", "code", "job_description", "responsibilities", "expected_performance")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Role]:
        return super().get_queryset(request).annotate(agent_count=models.Count("agents"))

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(("code", "shown_trail") if obj else ()))

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return fields_with_trail(self, request, obj)

    def create(self, request: HttpRequest, form: Any) -> Role:
        return organisation.create_role(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **values_of(form)
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Role:
        return organisation.update_role(
            actor=actor_of(request),
            role=obj,  # type: ignore[arg-type]
            values=changed_values(form),
            reason=form.cleaned_data["reason"],
        )

    @display(description="Agents", ordering="agent_count")
    def shown_agents(self, role: Any) -> int:
        return int(role.agent_count)

    @display(description="Trail")
    def shown_trail(self, role: Role) -> str:
        return trail("agents.role", role)


@admin.register(CompanySettings)
class CompanySettingsAdmin(WorkforceAdmin):
    """The one company of this installation."""

    form = CompanyForm
    fields = ("name", "currency")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return fields_with_trail(self, request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "shown_trail")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row, so the list is its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:agents_companysettings_change", args=[1]))

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        values = form.cleaned_data
        change = organisation.update_company(
            actor=actor_of(request), name=values["name"], currency=values["currency"], reason=values["reason"]
        )
        self.waits(request, change)
        return CompanySettings.objects.get(pk=obj.pk)

    @display(description="Trail")
    def shown_trail(self, company: CompanySettings) -> str:
        return trail("agents.companysettings", company)


@admin.register(ExchangeRate)
class ExchangeRateAdmin(WorkforceAdmin):
    """What foreign money is worth. A rate is never edited: a newer one takes over from its day on.

    One that makes foreign money count for less waits for a second person.
    """

    adds_many = True
    form = ExchangeRateForm
    list_display = ("currency", "shown_rate", "valid_from")
    empty_title = "No exchange rate yet"
    empty_step = "Without one, an action in foreign money cannot be measured and waits for a person."
    list_filter = ("currency",)
    fields = ("currency", "rate", "valid_from")

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return ("currency", "shown_rate", "valid_from") if obj else self.fields

    def create(self, request: HttpRequest, form: Any) -> ExchangeRate:
        values = form.cleaned_data
        found = organisation.set_exchange_rate(
            actor=actor_of(request),
            currency=values["currency"],
            rate_millionths=values["rate"],
            valid_from=values["valid_from"],
            reason=values["reason"],
        )
        if isinstance(found, ExchangeRate):
            return found
        self.waits(request, found)
        return form.instance

    @display(description="Worth in company currency", ordering="rate")
    def shown_rate(self, rate: ExchangeRate) -> str:
        return f"{rate.rate // MILLIONTHS}.{rate.rate % MILLIONTHS:06d}"


def fields_with_trail(model_admin: Any, request: HttpRequest, obj: models.Model | None) -> tuple[str, ...]:
    """Return the page's fields: an existing object shows its trail."""
    return (*model_admin.fields, *(("shown_trail",) if obj else ()))
