"""The addresses of the portal's own pages."""

from __future__ import annotations

from django.urls import path

from workflows.pages.activity import activity, activity_rows
from workflows.pages.agent_file import agent_file, agent_history
from workflows.pages.appeals import answer, appeal, contested, dismiss, take_up
from workflows.pages.away import away, end_away
from workflows.pages.backtests import backtest, backtest_parts, limit_backtest, rule_backtest
from workflows.pages.bell import bell, bell_mark, bell_parts, bell_read
from workflows.pages.confirming import confirm
from workflows.pages.console.orders import ORDERS, order
from workflows.pages.console.overriding import fail_step, override
from workflows.pages.console.stopping import STAGES, stop_everything, stop_stage
from workflows.pages.console.views import agents, console, console_agents, console_side, console_top
from workflows.pages.contract import contract, sign
from workflows.pages.document import document, document_picture
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
from workflows.pages.inbox import inbox, inbox_detail, inbox_list
from workflows.pages.incidents import incidents, incidents_parts
from workflows.pages.incidents_together import steer_together
from workflows.pages.kept import delete_view, keep_view, rename_view
from workflows.pages.life import VERBS as LIFE_VERBS
from workflows.pages.life import certificate, life, live_on
from workflows.pages.live import live
from workflows.pages.load import approvals_load
from workflows.pages.notifications import notifications
from workflows.pages.now import read_now
from workflows.pages.own_settings import settings
from workflows.pages.policy import policy
from workflows.pages.policy_coverage import coverage
from workflows.pages.policy_files import export, import_file
from workflows.pages.policy_list import policies
from workflows.pages.role_file import role_file
from workflows.pages.role_templates import export as export_role
from workflows.pages.role_templates import template as role_template
from workflows.pages.role_templates import template_file, templates
from workflows.pages.rule_mode import rule_mode, rule_trial, rule_try
from workflows.pages.run import run, run_parts
from workflows.pages.run_evidence import TYPES as EVIDENCE_TYPES
from workflows.pages.run_evidence import evidence, evidence_file
from workflows.pages.run_list import runs, runs_file, runs_parts
from workflows.pages.search import search, search_parts
from workflows.pages.signals import send as send_signal
from workflows.pages.signals import signals, signals_parts
from workflows.pages.standing import end_standing, give_standing, standing
from workflows.pages.start import start, startable
from workflows.pages.steering import steer_run, steer_step, step_takers
from workflows.pages.story import resolve, story, story_parts
from workflows.pages.system_file import system_file, test_system
from workflows.pages.together import together
from workflows.pages.trying import try_agent
from workflows.pages.voting import say, vote
from workflows.pages.work import task, task_detail, task_do
from workflows.pages.workflow_diff import diff
from workflows.pages.workflow_editor import check as check_workflow
from workflows.pages.workflow_editor import edit as edit_workflow
from workflows.pages.workflow_editor import new as new_workflow
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
    path("inbox/<uuid:approval_id>/now/", read_now, name="inbox-now"),
    path("inbox/<uuid:approval_id>/edit/", edit, name="inbox-edit"),
    path("inbox/<uuid:approval_id>/standing/", give_standing, name="inbox-standing"),
    path("standing/", standing, name="standing"),
    path("standing/<uuid:standing_id>/end/", end_standing, name="standing-end"),
    path("inbox/work/<uuid:task_id>/", task, name="inbox-task"),
    path("inbox/work/<uuid:task_id>/detail/", task_detail, name="inbox-task-detail"),
    path("inbox/work/<uuid:task_id>/do/", task_do, name="inbox-task-do"),
    path("documents/<uuid:document_id>/", document, name="document"),
    path("documents/<uuid:document_id>/picture/", document_picture, name="document-picture"),
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
    path("runs/runs.csv", runs_file, name="runs-file"),
    path("runs/incidents/", incidents, name="incidents"),
    path("runs/incidents/parts/", incidents_parts, name="incidents-parts"),
    path("runs/incidents/together/", steer_together, name="incidents-together"),
    path("runs/signals/", signals, name="signals"),
    path("runs/signals/parts/", signals_parts, name="signals-parts"),
    path("runs/<uuid:run_id>/signal/", send_signal, name="run-signal"),
    path("runs/start/", startable, name="startable"),
    path("workflows/<uuid:workflow_id>/start/", start, name="workflow-start"),
    path("workflows/new/", new_workflow, name="workflow-new"),
    path("workflows/check/", check_workflow, name="workflow-check"),
    path("workflows/<uuid:workflow_id>/edit/", edit_workflow, name="workflow-edit"),
    path("workflows/<uuid:workflow_id>/versions/<int:number>/", diff, name="workflow-diff"),
    path("runs/<uuid:run_id>/", run, name="run"),
    path("runs/<uuid:run_id>/parts/", run_parts, name="run-parts"),
    path("runs/<uuid:run_id>/evidence/", evidence, name="run-evidence"),
    *(
        path(f"runs/<uuid:run_id>/evidence.{form}", evidence_file, {"form": form}, name=f"run-evidence-{form}")
        for form in EVIDENCE_TYPES
    ),
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
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/redirect/takers/", step_takers, name="step-takers"),
    path("agents/", agents, name="agents"),
    path("console/", console, name="console"),
    path("console/agents/", console_agents, name="console-agents"),
    path("console/top/", console_top, name="console-top"),
    path("console/side/", console_side, name="console-side"),
    *(
        path(f"console/agents/<uuid:agent_id>/{verb}/", order, {"verb": verb}, name=f"console-{verb}")
        for verb in ORDERS
    ),
    path("console/agents/<uuid:agent_id>/override/", override, name="console-override"),
    path("console/runs/<uuid:run_id>/steps/<uuid:step_id>/fail/", fail_step, name="console-step-fail"),
    path("console/stop/", stop_everything, name="console-stop"),
    *(
        path(
            f"console/stops/<uuid:stop_id>/{stage}/", stop_stage, {"stage": stage}, name=f"console-{stage}-stop"
        )
        for stage in STAGES
    ),
    path("agents/<uuid:agent_id>/", agent_file, name="agent-file"),
    path("agents/<uuid:agent_id>/history/", agent_history, name="agent-history"),
    path("agents/<uuid:agent_id>/try/", try_agent, name="agent-try"),
    path("rules/<uuid:rule_id>/backtest/", rule_backtest, name="rule-backtest"),
    path("limits/<uuid:limit_id>/backtest/", limit_backtest, name="limit-backtest"),
    path("rules/<uuid:rule_id>/try/", rule_try, name="rule-try"),
    path("rules/<uuid:rule_id>/trial/", rule_trial, name="rule-trial"),
    path("rules/<uuid:rule_id>/mode/", rule_mode, name="rule-mode"),
    path("policies/", policies, name="policies"),
    path("policies/coverage/", coverage, name="policy-coverage"),
    path("policies/<uuid:policy_id>/", policy, name="policy"),
    path("policies/export/", export, name="policies-export"),
    path("policies/import/", import_file, name="policies-import"),
    path("roles/<uuid:role_id>/", role_file, name="role-file"),
    path("systems/<uuid:system_id>/", system_file, name="system-file"),
    path("systems/<uuid:system_id>/test/", test_system, name="system-test"),
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
    path("views/", keep_view, name="views"),
    path("views/<uuid:view_id>/rename/", rename_view, name="view-rename"),
    path("views/<uuid:view_id>/delete/", delete_view, name="view-delete"),
    path("settings/", settings, name="settings"),
    path("search/", search, name="search"),
    path("search/parts/", search_parts, name="search-parts"),
    path("bell/", bell, name="bell"),
    path("bell/parts/", bell_parts, name="bell-parts"),
    path("bell/read/", bell_read, name="bell-read"),
    path("bell/<uuid:key>/", bell_mark, name="bell-mark"),
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
