from __future__ import annotations

from django.apps import AppConfig

SEEN = ["notices.view_channel", "notices.view_mail", "notices.view_post"]
GROUPS = {
    "Managers": ["notices.add_channel", "notices.change_channel", "notices.test_channel", *SEEN],
    "Operators": ["notices.change_mail", "notices.change_post", "notices.test_channel", *SEEN],
    "Auditors": SEEN,
}
VERBS = {
    "notices.channel_added": "A place that is told of what waits was added.",
    "notices.channel_changed": "A place that is told of what waits was changed.",
    "notices.channel_secret_issued": "A secret that messages to a channel are signed with was issued.",
    "notices.channel_tested": "A test message was sent to a channel.",
    "notices.given_up": "A mail or a message did not arrive and is not tried any more.",
    "notices.tried_again": "An operator has a mail or a message tried again.",
    "notices.preference_chosen": "A person chose when they are told by mail.",
}


class NoticesConfig(AppConfig):
    name = "workflows.notices"
    label = "notices"
    verbose_name = "Notices"

    def ready(self) -> None:
        from agents.registry import on_agent_changed, on_stop_changed, register_role_permissions
        from agents.selectors.offers import EVERY_AGENT
        from audit import visibility
        from audit.offers import register_offer
        from audit.registry import register_verbs
        from workflows.actions.registry import on_actions_ended, on_actions_waiting_or_approved
        from workflows.notices import selectors, services
        from workflows.tasks.registry import (
            on_agents_offered,
            on_holder_told,
            on_instructed,
            on_people_asked,
            on_reminder,
        )

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_verbs(VERBS)
        visibility.register("notices", selectors.visible_events)
        register_offer("listeners", EVERY_AGENT, "notices.add_channel", "notices.change_channel")
        on_actions_ended(services.note_actions)
        on_actions_waiting_or_approved(services.note_actions)
        on_agent_changed(services.note_agent)
        on_stop_changed(services.note_stop)
        on_agents_offered(services.note_offered)
        on_holder_told(services.note_holder)
        on_instructed(services.note_instruction)
        on_people_asked(services.note_asked)
        on_reminder(services.note_reminded)
