from __future__ import annotations

from django.apps import AppConfig

SEEN = ["tasks.view_task", "tasks.view_comment", "tasks.view_instruction"]
GROUPS = {
    "Managers": [*SEEN, "tasks.change_task", "tasks.add_instruction"],
    "Operators": [*SEEN, "tasks.change_task", "tasks.add_instruction"],
    "Auditors": SEEN,
}


class TasksConfig(AppConfig):
    name = "workflows.tasks"
    label = "tasks"
    verbose_name = "Tasks"

    def ready(self) -> None:
        from agents.registry import (
            StopDuty,
            on_stop_eased,
            on_throttle_loosened,
            register_role_permissions,
            register_stop_duty,
            register_throttle_count,
        )
        from audit.registry import register_invariants, register_verbs
        from audit.retention import register_objects_in_use
        from workflows.tasks import invariants, receivers, selectors
        from workflows.tasks.registry import on_task_closed, register_awaited
        from workflows.tasks.services import asking
        from workflows.tasks.services.revoking import claims_left, revoke_claims

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        on_task_closed(asking.KIND, asking.on_closed)
        register_awaited(asking.KIND, asking.is_awaited)
        register_stop_duty(
            StopDuty(
                "claims",
                "Tasks taken back from agents",
                "of them still in the hands of an agent it hits",
                revoke_claims,
                claims_left,
            )
        )
        register_throttle_count("Tasks it has", selectors.held_under)
        on_throttle_loosened(receivers.on_throttle_loosened)
        on_stop_eased(receivers.on_stop_eased)
        register_invariants(invariants.INVARIANTS)
        register_objects_in_use("tasks.task", selectors.waiting)
        register_verbs(
            {
                "tasks.task_opened": "Something waits for somebody.",
                "tasks.task_claimed": "Somebody took a task.",
                "tasks.task_redirected": "A task was given to one agent, person or group, and to nobody else.",
                "tasks.task_follows": "A task waits for what took the place of what it waited for.",
                "tasks.task_released": "A task went back to its candidates.",
                "tasks.task_completed": "A task was done.",
                "tasks.task_handed_off": "Whoever had a task passed it on.",
                "tasks.question_asked": "Whoever has a task asked others something.",
                "tasks.task_reminded": "The people of a task were reminded that a deadline comes near.",
                "tasks.task_escalated": "A task was late, and others are asked, too.",
                "tasks.task_reassigned": "A task was late, and others are asked instead.",
                "tasks.task_failed_once": "An attempt failed; the task is offered again.",
                "tasks.task_failed": "A task failed for good.",
                "tasks.task_cancelled": "A task is no longer needed.",
                "tasks.task_expired": "A task was not done in time.",
                "tasks.task_snoozed": "Somebody does not want to see something before a time.",
                "tasks.snooze_ended": "Somebody wants to see at once what they had put off.",
                "tasks.agent_instructed": "An operator said something to an agent, for it to follow.",
                "tasks.instruction_read": "An agent said that it read an instruction.",
                "tasks.task_commented": "Somebody commented on a task.",
            }
        )
