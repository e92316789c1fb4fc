"""The shape of the company: departments, roles, its name and currency, and what foreign money is worth."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from unfold.decorators import display

from agents.admin.base import WorkforceAdmin, changed_values, trail, values_of, waiting_of
from agents.admin.lists import ListMixin, tag
from agents.forms import MILLIONTHS, CodedForm, CompanyForm, ExchangeRateForm
from agents.forms.roles import RoleForm
from agents.models import Agent, CompanySettings, Department, ExchangeRate, Role, User
from agents.services import organisation
from agents.services.role_catalogue import shipped_texts, targets_of
from audit.adminkit import actor_of
from audit.wording import said


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

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only a person can head a department."""
        if db_field.name == "manager":
            kwargs["queryset"] = User.objects.filter(kind=User.Kind.PERSON).order_by("first_name", "username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

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
class RoleAdmin(ListMixin, WorkforceAdmin):
    """Jobs that agents have: what they are for and what good work looks like."""

    form = RoleForm
    list_display = ("name", "code", "shown_job", "shown_agents", "shown_watched", "shown_origin")
    file_page = "role-file"
    csv_columns = (
        ("Name", lambda role: role.name),
        ("Code", lambda role: role.code),
        ("What it is for", lambda role: role.job_description),
        ("Agents", lambda role: role.agent_count),
        ("On probation", lambda role: role.watched_count),
        ("Taken from", lambda role: role.template.get("code", "")),
    )
    search_fields = ("name", "code")
    change_form_before_template = "agents/role_before.html"
    list_before_template = "agents/role_list.html"
    empty_title = "No role yet"
    empty_guide = "guide-agents"
    empty_step = "A role is a job that agents are given. Take one from a template, or write your own."
    fields = (
        "name", "code", "job_description", "responsibilities", "labels", "expected_performance", "figures",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Role]:
        employed = ~models.Q(agents__lifecycle=Agent.Lifecycle.RETIRED)
        watched = models.Q(agents__lifecycle=Agent.Lifecycle.ACTIVE, agents__probation_since__isnull=False)
        return (
            super()
            .get_queryset(request)
            .annotate(
                agent_count=models.Count("agents", filter=employed),
                watched_count=models.Count("agents", filter=watched),
            )
        )

    @display(description="What it is for")
    def shown_job(self, role: Role) -> str:
        return Truncator(role.job_description).words(16) or "—"

    @display(description="On probation", ordering="watched_count")
    def shown_watched(self, role: Any) -> SafeString | str:
        return tag(f"{role.watched_count:,}", "school", "wait") if role.watched_count else "—"

    @display(description="Taken from")
    def shown_origin(self, role: Role) -> str:
        return str(role.template.get("code", "")) if role.template else "Written here"

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return (
            *super().get_readonly_fields(request, obj),
            *(("code", "shown_template", "shown_trail") if obj else ()),
        )

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        found = fields_with_trail(self, request, obj)
        return (*found[:-1], "shown_template", found[-1]) if obj else found

    def create(self, request: HttpRequest, form: Any) -> Role:
        return organisation.create_role(
            actor=actor_of(request), reason=form.cleaned_data["reason"], **form.content()
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Role:
        return organisation.update_role(
            actor=actor_of(request),
            role=obj,  # type: ignore[arg-type]
            values=form.changed_content(),
            reason=form.cleaned_data["reason"],
        )

    @display(description="Figures of good work")
    def figures(self, role: Role) -> SafeString:
        return format_html_join("", "<p>{}</p>", ((target.words,) for target in targets_of(role)))

    @display(description="As a template")
    def shown_template(self, role: Role) -> SafeString:
        origin = role.template
        words = f"Taken from {origin['code']}, version {origin['version']}." if origin else "Written here."
        parts = [format_html("<p>{}</p>", said(words))]
        if origin and origin["code"] in shipped_texts():
            address = reverse("role-template", args=[origin["code"]])
            parts.append(
                format_html(
                    '<p class="mt-2"><a class="portal-link" href="{}">{}</a></p>',
                    address,
                    said("What differs from the template"),
                )
            )
        address = reverse("role-export", args=[role.code])
        parts.append(
            format_html(
                '<p class="mt-2"><a class="portal-link" href="{}">{}</a></p>',
                address,
                said("Export this role as a template"),
            )
        )
        return mark_safe("".join(parts))  # noqa: S308

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
