from __future__ import annotations

from django.apps import AppConfig

VERBS = {
    "connectors.system_installed": "An enterprise system was installed.",
    "connectors.system_changed": "A system was changed: where it is, what it may reach, or if it is on.",
    "connectors.account_added": "An account at a system was added.",
    "connectors.account_changed": "An account at a system was changed.",
    "connectors.secret_written": "The secret of an account was written.",
    "connectors.secret_dropped": "The secret of an account was taken away, as its system was moved.",
    "connectors.secrets_rotated": "Secrets were put under another key.",
    "connectors.operation_published": "An operation was published, in a new revision.",
    "connectors.operation_switched": "An operation was switched on or off.",
    "connectors.operation_granted": "An agent or a role was given leave to use an operation.",
    "connectors.operation_revoked": "Leave to use an operation was taken away.",
    "connectors.call_begun": "A call to a system was about to leave.",
    "connectors.call_finished": "A call to a system ended: confirmed, failed or unknown.",
    "connectors.call_refused": "A call was not made, because its authorization or a stop said no.",
    "connectors.breaker_opened": "A system failed several times in a row; calls to it are held back.",
    "connectors.breaker_closed": "A system answers again; calls to it go through.",
}
REMEDIES = {
    "connectors.call_refused": "call_prevented",
    "connectors.breaker_opened": "calls_held_back",
    "connectors.operation_revoked": "access_revoked",
    "connectors.secret_dropped": "secret_revoked",
}

SEEN = ["system", "systemhealth", "account", "operation", "operationrevision", "authorization", "call"]
GRANTS = ["operationuserobjectpermission", "operationgroupobjectpermission"]


def see(names: list[str]) -> list[str]:
    """Return the rights to view these models of the room."""
    return [f"connectors.view_{name}" for name in names]


GROUPS = {
    "Managers": [
        *see([*SEEN, *GRANTS]),
        *(f"connectors.{verb}_{name}" for verb in ("add", "change") for name in ("system", "account")),
        "connectors.test_system",
        "connectors.add_operation",
        "connectors.change_operation",
        "connectors.grant_operation",
    ],
    "Approvers": see(["system", "systemhealth", "operation", "operationrevision"]),
    "Operators": [*see(SEEN), "connectors.test_system"],
    "Auditors": see([*SEEN, *GRANTS]),
}


class ConnectorsConfig(AppConfig):
    name = "connectors"
    label = "connectors"
    verbose_name = "Systems"

    def ready(self) -> None:
        from agents import registry
        from agents.selectors.offers import EMPLOYED, EVERY_AGENT
        from agents.selectors.targets import finder, lister
        from audit import visibility
        from audit.offers import register_offer
        from audit.registry import register_names, register_remedies, register_verbs
        from connectors import evidence, selectors
        from connectors.models import System
        from connectors.services import grants, leaving, operations

        register_verbs(VERBS)
        evidence.register_tables()
        register_remedies(REMEDIES)
        visibility.register("connectors", selectors.visible_events)
        register_names("system", selectors.system_names)
        register_offer("holders", EMPLOYED, "connectors.grant_operation")
        register_offer("account-agents", EVERY_AGENT, "connectors.add_account", "connectors.change_account")
        for group, permissions in GROUPS.items():
            registry.register_role_permissions(group, permissions)
        registry.register_operation_catalogue(selectors.operation_facts, selectors.all_operation_facts)
        registry.register_stop_targets("system", finder(System), lister(System))
        registry.register_stop_targets("operation", selectors.operation_to_stop, selectors.operations_to_stop)
        registry.register_grants_provider(selectors.grant_facts)
        registry.register_granting(grants.propose_grant, grants.waiting_grant)
        registry.register_withdrawal(leaving.withdraw_grants)
        registry.register_handover("access", leaving.access_left)
        registry.register_agent_panel("operations", selectors.grant_panel)
        registry.register_change_kind(grants.CHANGE_KIND, grants.apply_grant, grants.current_version)
        registry.register_foresight(grants.CHANGE_KIND, grants.foresee_grant)
        registry.register_change_kind(
            operations.CHANGE_KIND, operations.apply_publication, operations.current_content
        )
