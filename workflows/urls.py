"""The addresses of the portal's own pages."""

from __future__ import annotations

from django.urls import path

from workflows.pages.activity import activity, activity_rows
from workflows.pages.appeals import answer, appeal, contested, dismiss, take_up
from workflows.pages.away import away, end_away
from workflows.pages.backtests import backtest, backtest_parts, limit_backtest, rule_backtest
from workflows.pages.confirming import confirm
from workflows.pages.contract import contract, sign
from workflows.pages.editing import edit
from workflows.pages.guides.agents import agent as guide_agent
from workflows.pages.guides.agents import agent_parts as guide_agent_parts
from workflows.pages.guides.agents import agents as guide_agents
from workflows.pages.guides.contract_whom import contracts as guide_contracts
from workflows.pages.guides.contracts import agent_contract as guide_contract_agent
from workflows.pages.guides.contracts import role_contract as guide_contract_role
from workflows.pages.guides.overview import guides
from workflows.pages.guides.systems import system as guide_system
from workflows.pages.guides.systems import systems as guide_systems
from workflows.pages.guides.workflows import workflow as guide_workflow
from workflows.pages.guides.workflows import workflow_parts as guide_workflow_parts
from workflows.pages.guides.workflows import workflows as guide_workflows
from workflows.pages.home import home, home_parts
from workflows.pages.inbox import inbox, inbox_detail, inbox_list, say, vote
from workflows.pages.life import VERBS as LIFE_VERBS
from workflows.pages.life import certificate, life, live_on
from workflows.pages.live import live
from workflows.pages.load import approvals_load
from workflows.pages.notifications import notifications
from workflows.pages.policy_files import export, import_file
from workflows.pages.role_templates import export as export_role
from workflows.pages.role_templates import template as role_template
from workflows.pages.role_templates import template_file, templates
from workflows.pages.run import run, run_parts
from workflows.pages.run_list import runs, runs_parts
from workflows.pages.standing import end_standing, give_standing, standing
from workflows.pages.start import start, startable
from workflows.pages.steering import steer_run, steer_step
from workflows.pages.story import resolve, story, story_parts
from workflows.pages.together import together
from workflows.pages.trying import try_agent
from workflows.pages.work import task, task_detail, task_do
from workflows.pages.workforce import agents, agents_parts, brake
from workflows.runs.choices import RunVerb, StepVerb

page_urlpatterns = [
    path("", home, name="home"),
    path("home/parts/", home_parts, name="home-parts"),
    path("live/", live, name="live"),
    path("inbox/", inbox, name="inbox"),
    path("inbox/rows/", inbox_list, name="inbox-rows"),
    path("inbox/together/", together, name="inbox-together"),
    path("inbox/<uuid:approval_id>/", inbox, name="inbox-approval"),
    path("inbox/<uuid:approval_id>/detail/", inbox_detail, name="inbox-detail"),
    path("inbox/<uuid:approval_id>/vote/", vote, name="inbox-vote"),
    path("inbox/<uuid:approval_id>/say/", say, name="inbox-say"),
    path("inbox/<uuid:approval_id>/edit/", edit, name="inbox-edit"),
    path("inbox/<uuid:approval_id>/standing/", give_standing, name="inbox-standing"),
    path("standing/", standing, name="standing"),
    path("standing/<uuid:standing_id>/end/", end_standing, name="standing-end"),
    path("inbox/work/<uuid:task_id>/", task, name="inbox-task"),
    path("inbox/work/<uuid:task_id>/detail/", task_detail, name="inbox-task-detail"),
    path("inbox/work/<uuid:task_id>/do/", task_do, name="inbox-task-do"),
    path("appeals/<uuid:appeal_id>/", appeal, name="appeal"),
    path("appeals/<uuid:appeal_id>/answer/", answer, name="appeal-answer"),
    path("contested/", contested, name="contested"),
    path("contested/<uuid:proposal_id>/take-up/", take_up, name="proposal-take-up"),
    path("contested/<uuid:proposal_id>/dismiss/", dismiss, name="proposal-dismiss"),
    path("confirm/", confirm, name="confirm"),
    path("approvals/load/", approvals_load, name="approvals-load"),
    path("away/", away, name="away"),
    path("away/<uuid:delegation_id>/end/", end_away, name="away-end"),
    path("runs/", runs, name="runs"),
    path("runs/parts/", runs_parts, name="runs-parts"),
    path("runs/start/", startable, name="startable"),
    path("workflows/<uuid:workflow_id>/start/", start, name="workflow-start"),
    path("runs/<uuid:run_id>/", run, name="run"),
    path("runs/<uuid:run_id>/parts/", run_parts, name="run-parts"),
    *(
        path(f"runs/<uuid:run_id>/{verb}/", steer_run, {"verb": verb}, name=f"run-{verb}")
        for verb in RunVerb.values
    ),
    *(
        path(
            f"runs/<uuid:run_id>/steps/<uuid:step_id>/{verb}/", steer_step, {"verb": verb}, name=f"step-{verb}"
        )
        for verb in StepVerb.values
    ),
    path("agents/", agents, name="agents"),
    path("agents/parts/", agents_parts, name="agents-parts"),
    path("agents/<uuid:agent_id>/brake/", brake, name="agent-brake"),
    path("agents/<uuid:agent_id>/try/", try_agent, name="agent-try"),
    path("rules/<uuid:rule_id>/backtest/", rule_backtest, name="rule-backtest"),
    path("limits/<uuid:limit_id>/backtest/", limit_backtest, name="limit-backtest"),
    path("policies/export/", export, name="policies-export"),
    path("policies/import/", import_file, name="policies-import"),
    path("roles/templates/", templates, name="role-templates"),
    path("roles/templates/<slug:code>.yaml", template_file, name="role-template-file"),
    path("roles/templates/<slug:code>/", role_template, name="role-template"),
    path("roles/<slug:code>/export/", export_role, name="role-export"),
    path("backtests/<uuid:backtest_id>/", backtest, name="backtest"),
    path("backtests/<uuid:backtest_id>/parts/", backtest_parts, name="backtest-parts"),
    path("agents/<uuid:agent_id>/contract/", contract, name="agent-contract"),
    path("agents/<uuid:agent_id>/contract/sign/", sign, name="agent-contract-sign"),
    path("agents/<uuid:agent_id>/life/", life, name="agent-life"),
    *(
        path(f"agents/<uuid:agent_id>/life/{verb}/", live_on, {"verb": verb}, name=f"agent-live-{verb}")
        for verb in LIFE_VERBS
    ),
    path("certificates/<uuid:certificate_id>/", certificate, name="certificate-page"),
    path("guides/", guides, name="guides"),
    path("guides/systems/", guide_systems, name="guide-systems"),
    path("guides/systems/<uuid:system_id>/", guide_system, name="guide-system"),
    path("guides/agents/", guide_agents, name="guide-agents"),
    path("guides/agents/<uuid:agent_id>/", guide_agent, name="guide-agent"),
    path("guides/agents/<uuid:agent_id>/parts/", guide_agent_parts, name="guide-agent-parts"),
    path("guides/contracts/", guide_contracts, name="guide-contracts"),
    path("guides/contracts/agents/<uuid:agent_id>/", guide_contract_agent, name="guide-contract-agent"),
    path("guides/contracts/roles/<slug:code>/", guide_contract_role, name="guide-contract-role"),
    path("guides/workflows/", guide_workflows, name="guide-workflows"),
    path("guides/workflows/<uuid:workflow_id>/", guide_workflow, name="guide-workflow"),
    path("guides/workflows/<uuid:workflow_id>/parts/", guide_workflow_parts, name="guide-workflow-parts"),
    path("notifications/", notifications, name="notifications"),
    path("activity/", activity, name="activity"),
    path("activity/rows/", activity_rows, name="activity-rows"),
    path("actions/<uuid:action_id>/", story, name="action"),
    path("actions/<uuid:action_id>/parts/", story_parts, name="action-parts"),
    path("actions/<uuid:action_id>/resolve/", resolve, name="action-resolve"),
]
