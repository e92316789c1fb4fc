"""Addresses of the workforce room: the token endpoint, and what it adds to the API."""

from __future__ import annotations

from django.urls import path

from agents.api import (
    calendars,
    cloning,
    contracts,
    employment,
    policy_files,
    role_templates,
    schema,
    step_up,
    throttles,
    workforce,
)
from agents.api.oauth import TokenView

__all__ = ["api_urlpatterns", "schema", "urlpatterns"]

urlpatterns = [path("oauth/token", TokenView.as_view(), name="oauth-token")]
api_urlpatterns = [
    path("me", workforce.MeView.as_view(), name="me"),
    path("step-up", step_up.StepUpView.as_view(), name="step-up"),
    path("me/contract", contracts.MyContractView.as_view(), name="my-contract"),
    path("agents", workforce.AgentsView.as_view(), name="agents"),
    path("agents/<uuid:pk>", workforce.AgentView.as_view(), name="agent"),
    path("agents/<uuid:pk>/contract", contracts.ContractView.as_view(), name="agent-contract"),
    path("agents/<uuid:pk>/contract/sign", contracts.SignContractView.as_view(), name="agent-contract-sign"),
    path("agents/<uuid:pk>/pause", workforce.PauseView.as_view(), name="agent-pause"),
    path("agents/<uuid:pk>/suspend", workforce.SuspendView.as_view(), name="agent-suspend"),
    path("agents/<uuid:pk>/lift-brake", workforce.LiftBrakeView.as_view(), name="agent-lift-brake"),
    path("agents/<uuid:pk>/clone", cloning.CloneView.as_view(), name="agent-clone"),
    path("agents/<uuid:pk>/labels", workforce.LabelsView.as_view(), name="agent-labels"),
    path("agents/<uuid:pk>/employment", employment.EmploymentView.as_view(), name="agent-employment"),
    path("agents/<uuid:pk>/promote", employment.PromoteView.as_view(), name="agent-promote"),
    path("agents/<uuid:pk>/demote", employment.DemoteView.as_view(), name="agent-demote"),
    path("agents/<uuid:pk>/attest", employment.AttestView.as_view(), name="agent-attest"),
    path("agents/<uuid:pk>/take-over", employment.TakeOverView.as_view(), name="agent-take-over"),
    path("agents/<uuid:pk>/handover", employment.HandoverView.as_view(), name="agent-handover"),
    path("agents/<uuid:pk>/retire", employment.RetireView.as_view(), name="agent-retire"),
    path("agents/<uuid:pk>/certificates", employment.CertificatesView.as_view(), name="agent-certificates"),
    path("certificates/<uuid:pk>", employment.CertificateView.as_view(), name="certificate"),
    path("lifecycle-terms", employment.TermsView.as_view(), name="lifecycle-terms"),
    path("policies.yaml", policy_files.PoliciesFileView.as_view(), name="policies-file"),
    path("policies/<slug:code>.yaml", policy_files.PolicyFileView.as_view(), name="policy-file"),
    path("policies/preview", policy_files.PreviewPoliciesView.as_view(), name="policies-preview"),
    path("policies/import", policy_files.ImportPoliciesView.as_view(), name="policies-import"),
    path("role-templates", role_templates.RoleTemplatesView.as_view(), name="role-templates"),
    path(
        "role-templates/<slug:code>.yaml", role_templates.RoleTemplateFileView.as_view(), name="role-template"
    ),
    path("role-templates/preview", role_templates.PreviewTemplateView.as_view(), name="role-templates-preview"),
    path("role-templates/apply", role_templates.TakeTemplateView.as_view(), name="role-templates-apply"),
    path("roles/<slug:code>.yaml", role_templates.RoleFileView.as_view(), name="role-file"),
    path("stops", workforce.StopsView.as_view(), name="stops"),
    path("stops/<uuid:pk>/containment", workforce.ContainmentView.as_view(), name="stop-containment"),
    path("stops/<uuid:pk>/stage", workforce.StageView.as_view(), name="stop-stage"),
    path("stops/<uuid:pk>/lift", workforce.LiftStopView.as_view(), name="stop-lift"),
    path("calendars", calendars.CalendarsView.as_view(), name="calendars"),
    path("calendars/<uuid:pk>", calendars.CalendarView.as_view(), name="calendar"),
    path("throttles", throttles.ThrottlesView.as_view(), name="throttles"),
    path("throttles/<uuid:pk>", throttles.ThrottleView.as_view(), name="throttle"),
    path("throttles/<uuid:pk>/lift", throttles.LiftThrottleView.as_view(), name="throttle-lift"),
    path("change-requests", workforce.ChangeRequestsView.as_view(), name="change-requests"),
    path("change-requests/<uuid:pk>/apply", workforce.ApplyChangeView.as_view(), name="change-request-apply"),
    path(
        "change-requests/<uuid:pk>/reject", workforce.RejectChangeView.as_view(), name="change-request-reject"
    ),
]
