from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate

VERBS = {
    "agents.agent_registered": "An agent was taken on as a draft.",
    "agents.agent_cloned": "An agent was copied into another department, as a draft.",
    "agents.agent_updated": "The file of an agent was changed, without a change of its authority.",
    "agents.agent_reassigned": "An agent got another sponsor, department, role, risk tier or attestation date.",
    "agents.agent_activated": "An agent started work, approved by a second person.",
    "agents.agent_finishing": "An agent gets no new work, finishes what it has, and is paused then.",
    "agents.agent_paused": "An agent was paused: every call is refused until the brake is lifted.",
    "agents.agent_suspended": "The access of an agent was closed.",
    "agents.brake_lifted": "The brake of an agent was lifted.",
    "agents.agent_retired": "An agent was retired for good.",
    "agents.agent_promoted": "The probation of an agent ended, approved by a second person.",
    "agents.agent_demoted": "An agent was put back: on probation again, or it may only read.",
    "agents.agent_attested": "Who answers for an agent confirmed that it is still needed.",
    "agents.certificate_issued": "What was decided about an agent was kept as a certificate.",
    "agents.terms_changed": "The terms of employment were changed: at once if stricter, else by two people.",
    "agents.autonomy_set": "How freely an agent works was changed.",
    "agents.client_secret_issued": "An agent was given a client secret.",
    "agents.client_secret_revoked": "A client secret was revoked, with every token it bought.",
    "agents.tokens_revoked": "The access tokens of an agent were revoked.",
    "agents.token_issued": "An agent traded its secret for an access token.",
    "agents.token_refused": "A request for an access token was refused.",
    "agents.call_refused": "A call came with a token that is no longer good.",
    "agents.agent_overreached": "An agent tried what only people may do.",
    "agents.person_changed": "The account of a person was made or changed.",
    "agents.settings_changed": "Somebody changed how the pages work for them.",
    "agents.view_saved": "Somebody kept the filters of a page under a name.",
    "agents.view_renamed": "Somebody gave a saved view another name.",
    "agents.view_deleted": "Somebody deleted a saved view.",
    "agents.signed_in": "Somebody signed in.",
    "agents.signed_out": "Somebody signed out.",
    "agents.sign_in_refused": "Somebody failed to sign in.",
    "agents.step_up_done": "Somebody signed in showed again who they are.",
    "agents.step_up_refused": "Somebody signed in could not show again who they are.",
    "agents.rights_installed": "A group got rights that a new version of the portal brings for it.",
    "agents.department_created": "A department was added.",
    "agents.department_changed": "A department was changed or moved.",
    "agents.role_created": "A role was added.",
    "agents.role_changed": "The description of a role was changed.",
    "agents.role_taken": "A role was taken from a template, with its rules and limits.",
    "agents.company_changed": "The company's name or currency was changed.",
    "agents.exchange_rate_set": "An exchange rate was set.",
    "agents.policy_created": "A policy was created.",
    "agents.policy_described": "The name or purpose of a policy was changed.",
    "agents.policy_moved": "Whom a policy binds was changed.",
    "agents.rule_added": "A rule was added to a policy.",
    "agents.rule_changed": "A rule was changed: at once as it only tightens, or approved by a second person.",
    "agents.rule_removed": "A rule was removed.",
    "agents.measure_added": "A limit or counter was added.",
    "agents.measure_changed": "A limit or counter was changed.",
    "agents.failures_forgiven": "A limit of failures in a row counts from zero again: a person said so.",
    "agents.budget_spent": "An agent has spent a budget of model use.",
    "agents.change_proposed": "A change that gives more authority was proposed and waits for a second person.",
    "agents.change_applied": "A second person approved a change, and it was made.",
    "agents.change_rejected": "A second person rejected a change.",
    "agents.change_expired": "Nobody decided a proposed change in time; nothing was changed.",
    "agents.change_withdrawn": "A proposed change was taken back.",
    "agents.stop_raised": "Work was stopped: nothing in that scope starts any more.",
    "agents.stop_eased": "A stop was taken a stage back: agents may read, or work while every write is held.",
    "agents.stop_tightened": "A stop that was on its way back was made stricter again.",
    "agents.stop_lifted": "A stop was lifted.",
    "agents.stop_confirmed": "A stop has arrived everywhere: every process has seen it, nothing begun is left.",
    "agents.throttle_added": "A throttle was added: so much at once or in a time, what is more waits.",
    "agents.throttle_changed": "A throttle was changed: at once as it only tightens, or by a second person.",
    "agents.contract_signed": "A person signed what binds an agent, as they read it.",
    "agents.calendar_made": "A calendar of working hours and holidays was made.",
    "agents.calendar_changed": "A calendar of working hours and holidays was changed.",
    "agents.process_lost": "A process of the portal was given up: it had not answered for ten minutes.",
}

REMEDIES = {
    "agents.agent_paused": "agent_paused",
    "agents.agent_suspended": "agent_suspended",
    "agents.agent_retired": "agent_retired",
    "agents.agent_demoted": "agent_demoted",
    "agents.client_secret_revoked": "secret_revoked",
    "agents.tokens_revoked": "tokens_revoked",
    "agents.stop_raised": "stopped",
    "agents.stop_tightened": "stopped",
    "agents.stop_confirmed": "stop_proved",
    "agents.change_rejected": "rejected",
    "agents.change_withdrawn": "withdrawn",
    "agents.change_expired": "expired",
}

WORKFORCE = ["department", "role", "agent", "policy", "rule", "measure", "stop", "throttle"]
EVERYTHING = [
    *WORKFORCE,
    "user",
    "policyversion",
    "changerequest",
    "companysettings",
    "lifecycleterms",
    "certificate",
    "exchangerate",
    "calendar",
    "oauthapplication",
    "clientsecret",
]
BRAKE = ["agents.pause_agent", "agents.suspend_agent", "agents.demote_agent", "agents.raise_stop"]


def see(names: list[str]) -> list[str]:
    """Return the rights to view these models of the room."""
    return [f"agents.view_{name}" for name in names]


# The ledger stands below this room and knows no groups; which rows they see is decided by visibility.
LEDGER = ["audit.view_event", "audit.view_payload"]
KEEPING = ["audit.view_retentionrule", "audit.view_legalhold"]

GROUPS = {
    "Managers": [
        *see(EVERYTHING),
        *LEDGER,
        *BRAKE,
        *(f"agents.{verb}_{name}" for verb in ("add", "change") for name in ("department", "role", "agent")),
        *(f"agents.{verb}_{name}" for verb in ("add", "change") for name in ("policy", "rule", "measure")),
        *(f"agents.{verb}_throttle" for verb in ("add", "change")),
        *(f"agents.{verb}_{name}" for verb in ("add", "change") for name in ("exchangerate", "calendar")),
        "agents.change_companysettings",
        *(f"agents.{verb}_lifecycleterms" for verb in ("add", "change")),
        "agents.activate_agent",
        "agents.promote_agent",
        "agents.lift_brake",
        "agents.retire_agent",
        "agents.set_autonomy",
        "agents.issue_credentials",
        "agents.sign_contract",
        "agents.publish_rule",
        "agents.lift_stop",
        "agents.decide_changerequest",
        *KEEPING,
        *(f"audit.{verb}_{name}" for verb in ("add", "change") for name in ("retentionrule", "legalhold")),
        "audit.erase_event",
    ],
    "Approvers": [
        *see([*WORKFORCE, "changerequest"]),
        "audit.view_event",
        "agents.decide_changerequest",
    ],
    "Operators": [*see(WORKFORCE), *BRAKE, *LEDGER],
    "Auditors": [*see(EVERYTHING), *LEDGER, *KEEPING, "audit.view_every_event"],
}


class AgentsConfig(AppConfig):
    name = "agents"
    label = "agents"
    verbose_name = "Workforce"

    def ready(self) -> None:
        from agents import evidence, registry, selectors
        from agents.models import Agent, Department, Role
        from agents.receivers import ensure_groups
        from agents.selectors import clones, naming, offers, targets
        from agents.services import (
            foreseeing,
            handing_over,
            leading,
            lifecycle,
            organisation,
            policies,
            probation,
            retention,
            stepping_up,
            terms,
            throttles,
        )
        from audit import visibility
        from audit.offers import register_offer, register_own_rows
        from audit.registry import register_names, register_remedies, register_verbs
        from audit.retention import register_departments, register_objects_in_use, register_proposer

        register_verbs(VERBS)
        evidence.register_tables()
        register_remedies(REMEDIES)
        visibility.register("agents", selectors.visible_events)
        register_names("agent", naming.agent_names)
        register_names("person", naming.people_names)
        register_names("actor", naming.actor_names)
        register_names("department", naming.department_names)
        bind = [f"agents.{verb}_{what}" for verb in ("add", "change") for what in ("policy", "measure")]
        register_offer("bound", offers.BOUND, *bind)
        register_own_rows("certified", offers.certified_agents)
        register_offer("stopped", offers.STOPPED, "agents.raise_stop")
        register_offer("slowed", offers.SLOWED, "agents.add_throttle")
        lifecycle.register_change_kinds()
        probation.register_change_kinds()
        terms.register_change_kinds()
        leading.register_change_kinds()
        organisation.register_change_kinds()
        policies.register_change_kinds()
        throttles.register_change_kinds()
        retention.register_change_kinds()
        register_departments(retention.parents)
        register_proposer(retention.ask_erasure)
        register_objects_in_use("agents.changerequest", selectors.waiting_changes)
        foreseeing.register_foresights()
        stepping_up.register_methods()
        registry.register_handover("credentials", handing_over.credentials_left)
        registry.register_agent_panel("model_use", selectors.model_use_panel)
        registry.register_agent_panel("original", clones.clone_panel)
        for kind, model in (("department", Department), ("role", Role)):
            registry.register_stop_targets(kind, targets.finder(model), targets.lister(model))
        registry.register_stop_targets("agent", targets.finder(Agent), targets.employed_agents)
        for group, permissions in GROUPS.items():
            registry.register_role_permissions(group, permissions)
        # When somebody signs in is written with the event of it (people.note_signed_in).
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        post_migrate.connect(ensure_groups, dispatch_uid="agents.ensure_groups")
