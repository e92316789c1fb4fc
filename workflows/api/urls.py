"""Addresses of the API of work, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from workflows.api.actions import ActionDetail, Actions, Resolution, Withdrawal
from workflows.api.appeals import ActionAppeal, AppealAnswer, Appeals, ContestedRules, Dismissal, TakeUp
from workflows.api.approvals import ApprovalDetail, Approvals, Comments, Questions, Votes, VotesTogether
from workflows.api.backtests import BacktestDetail, Backtests
from workflows.api.decisions import Decisions
from workflows.api.delegations import DelegationDetail, DelegationEnd, Delegations
from workflows.api.documents import DocumentContent, DocumentDetail, Documents
from workflows.api.hooks import Hook
from workflows.api.instructions import InstructionRead, Instructions
from workflows.api.load import ApprovalsLoad, Reassignment
from workflows.api.model_use import ModelUseView
from workflows.api.openapi import Schema
from workflows.api.operations import OperationDetail, Operations
from workflows.api.runs import RunDetail, Runs
from workflows.api.signals import RunSignals, Signals
from workflows.api.standing import (
    Edits,
    GiveStanding,
    StandingApprovalDetail,
    StandingApprovalEnd,
    StandingApprovals,
)
from workflows.api.steering import (
    Cancellation,
    Pausing,
    Priority,
    Resuming,
    Retry,
    StepDeadline,
    StepOverride,
    StepRedirect,
    StepRerun,
    StepRetry,
    StepSkip,
)
from workflows.api.tasks import (
    Claim,
    Completion,
    Failure,
    HandOff,
    Heartbeat,
    NextTasks,
    Question,
    Release,
    TaskDetail,
    Tasks,
)
from workflows.api.triggers import (
    EventDeliveries,
    EventTriggerDetail,
    EventTriggers,
    Firings,
    HookDeliveries,
    ScheduleDetail,
    Schedules,
    WebhookDetail,
    Webhooks,
)
from workflows.api.whole_runs import Compensation, Migration
from workflows.api.workflows import (
    WorkflowDetail,
    Workflows,
    WorkflowVersionDetail,
    WorkflowVersionDiff,
    WorkflowVersions,
)

urlpatterns = [
    path("actions", Actions.as_view(), name="actions"),
    path("actions/<uuid:action_id>", ActionDetail.as_view(), name="action"),
    path("actions/<uuid:action_id>/withdraw", Withdrawal.as_view(), name="action-withdraw"),
    path("actions/<uuid:action_id>/resolve", Resolution.as_view(), name="action-resolve"),
    path("actions/<uuid:action_id>/appeal", ActionAppeal.as_view(), name="action-appeal"),
    path("appeals", Appeals.as_view(), name="api-appeals"),
    path("appeals/<uuid:appeal_id>/answer", AppealAnswer.as_view(), name="api-appeal-answer"),
    path("contested-rules", ContestedRules.as_view(), name="api-contested-rules"),
    path("contested-rules/<uuid:proposal_id>/take-up", TakeUp.as_view(), name="api-proposal-take-up"),
    path("contested-rules/<uuid:proposal_id>/dismiss", Dismissal.as_view(), name="api-proposal-dismiss"),
    path("operations", Operations.as_view(), name="operations"),
    path("operations/<str:code>", OperationDetail.as_view(), name="operation"),
    path("model-use", ModelUseView.as_view(), name="model-use"),
    path("me/instructions", Instructions.as_view(), name="my-instructions"),
    path("me/instructions/<uuid:instruction_id>/read", InstructionRead.as_view(), name="instruction-read"),
    path("decisions", Decisions.as_view(), name="decisions"),
    path("approvals", Approvals.as_view(), name="approvals"),
    path("approvals/votes", VotesTogether.as_view(), name="votes-together"),
    path("approvals/load", ApprovalsLoad.as_view(), name="approvals-load-api"),
    path("approvals/<uuid:approval_id>/reassign", Reassignment.as_view(), name="approval-reassign"),
    path("approvals/<uuid:approval_id>", ApprovalDetail.as_view(), name="approval"),
    path("approvals/<uuid:approval_id>/votes", Votes.as_view(), name="votes"),
    path("approvals/<uuid:approval_id>/comments", Comments.as_view(), name="approval-comments"),
    path("approvals/<uuid:approval_id>/questions", Questions.as_view(), name="approval-questions"),
    path("approvals/<uuid:approval_id>/edits", Edits.as_view(), name="approval-edits"),
    path("approvals/<uuid:approval_id>/standing", GiveStanding.as_view(), name="approval-standing"),
    path("standing-approvals", StandingApprovals.as_view(), name="standing-approvals"),
    path("standing-approvals/<uuid:standing_id>", StandingApprovalDetail.as_view(), name="standing-approval"),
    path(
        "standing-approvals/<uuid:standing_id>/revoke",
        StandingApprovalEnd.as_view(),
        name="standing-approval-end",
    ),
    path("delegations", Delegations.as_view(), name="delegations"),
    path("delegations/<uuid:delegation_id>", DelegationDetail.as_view(), name="delegation"),
    path("delegations/<uuid:delegation_id>/end", DelegationEnd.as_view(), name="delegation-end"),
    path("documents", Documents.as_view(), name="documents"),
    path("documents/<uuid:document_id>", DocumentDetail.as_view(), name="document"),
    path("documents/<uuid:document_id>/content", DocumentContent.as_view(), name="document-content"),
    path("tasks", Tasks.as_view(), name="tasks"),
    path("tasks/claim", NextTasks.as_view(), name="next-tasks"),
    path("tasks/<uuid:task_id>", TaskDetail.as_view(), name="task"),
    path("tasks/<uuid:task_id>/claim", Claim.as_view(), name="task-claim"),
    path("tasks/<uuid:task_id>/heartbeat", Heartbeat.as_view(), name="task-heartbeat"),
    path("tasks/<uuid:task_id>/complete", Completion.as_view(), name="task-complete"),
    path("tasks/<uuid:task_id>/fail", Failure.as_view(), name="task-fail"),
    path("tasks/<uuid:task_id>/release", Release.as_view(), name="task-release"),
    path("tasks/<uuid:task_id>/hand-off", HandOff.as_view(), name="task-hand-off"),
    path("tasks/<uuid:task_id>/ask", Question.as_view(), name="task-ask"),
    path("runs", Runs.as_view(), name="runs"),
    path("runs/<uuid:run_id>", RunDetail.as_view(), name="run"),
    path("runs/<uuid:run_id>/cancel", Cancellation.as_view(), name="run-cancel"),
    path("runs/<uuid:run_id>/retry", Retry.as_view(), name="run-retry"),
    path("runs/<uuid:run_id>/pause", Pausing.as_view(), name="run-pause"),
    path("runs/<uuid:run_id>/resume", Resuming.as_view(), name="run-resume"),
    path("runs/<uuid:run_id>/priority", Priority.as_view(), name="run-priority"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/retry", StepRetry.as_view(), name="step-retry"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/rerun", StepRerun.as_view(), name="step-rerun"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/skip", StepSkip.as_view(), name="step-skip"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/override", StepOverride.as_view(), name="step-override"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/redirect", StepRedirect.as_view(), name="step-redirect"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/deadline", StepDeadline.as_view(), name="step-deadline"),
    path("workflows", Workflows.as_view(), name="workflows"),
    path("workflows/<str:code>", WorkflowDetail.as_view(), name="workflow"),
    path("workflows/<str:code>/versions", WorkflowVersions.as_view(), name="workflow-versions"),
    path(
        "workflows/<str:code>/versions/<int:number>", WorkflowVersionDetail.as_view(), name="workflow-version"
    ),
    path(
        "workflows/<str:code>/versions/<int:number>/diff",
        WorkflowVersionDiff.as_view(),
        name="workflow-version-diff",
    ),
    path("runs/<uuid:run_id>/signals", RunSignals.as_view(), name="run-signals"),
    path("signals", Signals.as_view(), name="signals"),
    path("runs/<uuid:run_id>/compensate", Compensation.as_view(), name="run-compensate"),
    path("runs/<uuid:run_id>/migrate", Migration.as_view(), name="run-migrate"),
    path("backtests", Backtests.as_view(), name="api-backtests"),
    path("backtests/<uuid:backtest_id>", BacktestDetail.as_view(), name="api-backtest"),
    path("schedules", Schedules.as_view(), name="schedules"),
    path("schedules/<uuid:schedule_id>", ScheduleDetail.as_view(), name="schedule"),
    path("schedules/<uuid:schedule_id>/firings", Firings.as_view(), name="firings"),
    path("webhooks", Webhooks.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>", WebhookDetail.as_view(), name="webhook"),
    path("webhooks/<uuid:webhook_id>/deliveries", HookDeliveries.as_view(), name="hook-deliveries"),
    path("event-triggers", EventTriggers.as_view(), name="event-triggers"),
    path("event-triggers/<uuid:trigger_id>", EventTriggerDetail.as_view(), name="event-trigger"),
    path("event-triggers/<uuid:trigger_id>/log", EventDeliveries.as_view(), name="event-deliveries"),
    path("hooks/<uuid:hook_id>", Hook.as_view(), name="hook"),
    path("schema", Schema.as_view(), name="schema"),
]
