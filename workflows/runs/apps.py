from __future__ import annotations

from django.apps import AppConfig

READ = ["runs.view_workflow", "runs.view_workflowversion", "runs.view_run", "runs.view_step"]
GROUPS = {
    "Managers": [*READ, "runs.add_workflow", "runs.change_workflow", "runs.start_workflow", "runs.steer_run"],
    "Operators": [*READ, "runs.start_workflow", "runs.steer_run"],
    "Auditors": READ,
}


class RunsConfig(AppConfig):
    name = "workflows.runs"
    label = "runs"
    verbose_name = "Workflows"

    def ready(self) -> None:
        from agents.registry import (
            on_change_request,
            on_run_spent,
            on_stop_eased,
            register_change_kind,
            register_role_permissions,
            register_stop_targets,
        )
        from agents.selectors.targets import finder, lister
        from audit import visibility
        from audit.registry import (
            register_invariants,
            register_opening,
            register_remedies,
            register_tellings,
            register_verbs,
        )
        from connectors.registry import on_system_back, register_portal_verb
        from workflows.actions.registry import (
            on_actions_ended,
            register_behind,
            register_follower,
            register_waiting,
        )
        from workflows.approvals.registry import register_reversals
        from workflows.documents.registry import register_readers
        from workflows.runs import evidence, invariants, receivers, selectors, services
        from workflows.runs.models import Workflow
        from workflows.runs.services import erasing
        from workflows.runs.services.attempts import waits_of_task
        from workflows.runs.services.publishing import CHANGE_KIND
        from workflows.runs.services.steering.pausing import pause_for_budget
        from workflows.tasks.registry import on_task_closed, register_circle, register_waits

        register_verbs(receivers.VERBS)
        evidence.register_tables()
        register_remedies(receivers.REMEDIES)
        register_invariants(invariants.INVARIANTS)
        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_change_kind(CHANGE_KIND, services.apply_version, services.current_version)
        register_stop_targets("workflow", finder(Workflow), lister(Workflow))
        on_change_request(services.note_decision)
        on_task_closed("runs.step", receivers.on_task_closed)
        register_circle("runs.step", selectors.circle_of)
        register_waits("runs.step", waits_of_task)
        on_actions_ended(receivers.on_actions_ended)
        register_behind(selectors.people_behind)
        register_follower(receivers.before_replacing, receivers.on_replaced)
        register_reversals(selectors.undone_actions)
        register_waiting(receivers.kept_by_a_pause, receivers.waiting_actions)
        register_portal_verb("run.start", services.start_verb)
        register_portal_verb("run.find", services.find_verb)
        register_portal_verb("run.signal", services.signal_verb)
        register_portal_verb("run.find_signal", services.find_signal_verb)
        on_system_back(receivers.on_system_back)
        on_stop_eased(receivers.on_stop_eased)
        on_run_spent(pause_for_budget)
        register_readers(selectors.readable_documents)
        erasing.register_classes()
        register_opening("runs.run", receivers.opening_of)
        register_tellings(receivers.TELLINGS)
        visibility.register("runs", receivers.visible_events)
