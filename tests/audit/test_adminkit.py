from __future__ import annotations

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from guardian.shortcuts import assign_perm
from unfold.sites import UnfoldAdminSite

from agents.models import Department, Policy, Rule
from audit.adminkit import (
    GovernedAdmin,
    GovernedTabularInline,
    ReadOnlyAdmin,
    ReasonForm,
    ServiceAdmin,
    reason_action,
    verbs,
)
from audit.vocabulary import Refusal

pytestmark = pytest.mark.django_db
NO = Refusal("closed", "The department was not closed: agents work in it.", next_step="Move them first.")


class RuleInline(GovernedTabularInline):
    """Rows under a policy."""

    model = Rule
    fields = ["name"]


class PolicyAdmin(GovernedAdmin):
    """A governed object with rows."""

    inlines = [RuleInline]


class DepartmentAdmin(ServiceAdmin):
    """A governed object with a verb and services that refuse."""

    fields = ["name", "code"]
    actions_detail = ["close"]

    @reason_action(
        title="Close",
        description="Close it",
        submit="Close",
        permission="agents.change_department",
        available=lambda department: department.code != "closed",
    )
    def close(self, request, department, data):
        if data["reason"] == "please":
            raise NO
        department.name = f"Closed: {data['reason']}"
        department.save()
        return "It is closed."

    def create(self, request, form):
        raise NO

    def update(self, request, obj, form):
        obj.save()
        return obj


@pytest.fixture
def site():
    return UnfoldAdminSite()


@pytest.fixture
def sales(db, monkeypatch):
    # The page that a verb goes back to is another room's; which one is not what is tested here.
    monkeypatch.setattr(verbs, "reverse", lambda name, args: f"/{name}/{args[0]}/change/")
    return Department.objects.create(code="sales", name="Sales")


def ask(user, method="get", data=None, path="/"):
    request = getattr(RequestFactory(), method)(path, data or {})
    request.user = user
    request.session = {}
    request.resolver_match = None
    request._messages = FallbackStorage(request)
    request._dont_enforce_csrf_checks = True
    return request


def said(request):
    return [str(message) for message in get_messages(request)]


def give(user, *codenames):
    for codename in codenames:
        assign_perm(f"agents.{codename}", user)
    return type(user).objects.get(pk=user.pk)


def test_opening_the_dialog_changes_nothing(site, sales, mallory):
    person = give(mallory, "change_department")
    answer = DepartmentAdmin(Department, site).close(ask(person), object_id=str(sales.pk))
    sales.refresh_from_db()
    assert b'name="reason"' in answer.content
    assert b"csrfmiddlewaretoken" in answer.content
    assert sales.name == "Sales"


def test_a_verb_without_a_reason_asks_for_it(site, sales, mallory):
    person = give(mallory, "change_department")
    request = ask(person, "post", {"_form_submitted": "1", "reason": "no"})
    answer = DepartmentAdmin(Department, site).close(request, object_id=str(sales.pk))
    sales.refresh_from_db()
    assert b"at least 5 characters" in answer.content
    assert sales.name == "Sales"


def test_a_verb_with_a_reason_is_done_and_said(sales, mallory):
    person = give(mallory, "change_department")
    request = ask(person, "post", {"_form_submitted": "1", "reason": "moved away"})
    answer = DepartmentAdmin(Department, admin.site).close(request, object_id=str(sales.pk))
    sales.refresh_from_db()
    assert sales.name == "Closed: moved away"
    assert said(request) == ["It is closed."]
    assert answer["HX-Redirect"].endswith(f"{sales.pk}/change/")


def test_a_refused_verb_says_the_rule_and_the_next_step(sales, mallory):
    person = give(mallory, "change_department")
    request = ask(person, "post", {"_form_submitted": "1", "reason": "please"})
    DepartmentAdmin(Department, admin.site).close(request, object_id=str(sales.pk))
    assert said(request) == ["The department was not closed: agents work in it. Move them first."]


def test_a_verb_is_refused_without_the_permission_and_hidden_where_it_means_nothing(site, sales, mallory):
    model_admin = DepartmentAdmin(Department, site)
    with pytest.raises(PermissionDenied):
        model_admin.close(ask(give(mallory, "view_department")), object_id=str(sales.pk))
    with pytest.raises(Http404):
        model_admin.close(ask(type(mallory).objects.get(pk=mallory.pk)), object_id="nothing")
    person = give(mallory, "change_department")
    assert [action.path for action in model_admin.get_actions_detail(ask(person), str(sales.pk))] == ["close"]
    Department.objects.update(code="closed")
    assert model_admin.get_actions_detail(ask(person), str(sales.pk)) == []


def test_an_object_permission_is_enough_for_that_object_alone(site, mallory):
    mine = Policy.objects.create(code="mine", name="Mine")
    other = Policy.objects.create(code="other", name="Other")
    assign_perm("agents.view_policy", mallory, mine)
    person = type(mallory).objects.get(pk=mallory.pk)
    model_admin = PolicyAdmin(Policy, site)
    request = ask(person)
    assert list(model_admin.get_queryset(request)) == [mine]
    assert model_admin.has_module_permission(request)
    assert model_admin.has_view_permission(request, mine)
    assert not model_admin.has_view_permission(request, other)
    assert not model_admin.has_change_permission(request, mine)


def test_rows_follow_the_rights_on_the_object_above_them(site, mallory):
    policy = Policy.objects.create(code="mine", name="Mine")
    assign_perm("agents.change_policy", mallory, policy)
    person = type(mallory).objects.get(pk=mallory.pk)
    inline = RuleInline(Policy, site)
    assert inline.has_view_permission(ask(person))
    assert inline.has_change_permission(ask(person), policy)
    assert not inline.has_change_permission(ask(person), Policy.objects.create(code="other", name="Other"))


def test_controls_in_a_table_have_names(site, alice):
    form = RuleInline(Policy, site).get_formset(ask(alice)).form
    assert form.base_fields["name"].widget.attrs["aria-label"] == "Name"


def test_history_pages_are_read_only(site, alice, sales):
    model_admin = PolicyAdmin(Policy, site)
    with pytest.raises(PermissionDenied):
        model_admin.history_form_view(ask(alice, "post", {"name": "x"}), "1", "1")


def test_a_refused_form_keeps_nothing_and_claims_nothing(sales, mallory):
    person = give(mallory, "add_department", "change_department", "view_department")
    request = ask(person, "post", {"name": "Closed", "code": "closed"})
    answer = DepartmentAdmin(Department, admin.site).changeform_view(request)
    form = answer.context_data["adminform"].form
    assert form.errors["__all__"] == ["The department was not closed: agents work in it. Move them first."]
    assert form["name"].value() == "Closed"
    assert said(request) == []
    assert not LogEntry.objects.exists()
    assert not Department.objects.filter(code="closed").exists()


def test_evidence_is_never_edited(site, root_like):
    model_admin = ReadOnlyAdmin(Department, site)
    request = ask(root_like)
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)
    assert "delete_selected" not in model_admin.get_actions(request)


@pytest.fixture
def root_like(db):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_superuser("root", password=None)


def test_a_verb_without_a_reason_cannot_even_be_written():
    class Bare(forms.Form):
        """No reason in it."""

    with pytest.raises(TypeError, match="asks for a reason"):
        reason_action(title="t", description="d", submit="s", permission="a.b", form_class=Bare)
    assert "reason" in ReasonForm.base_fields
