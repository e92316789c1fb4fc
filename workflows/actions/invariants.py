"""I1 to I8 and I12: what must hold of actions, approvals and limits (``audit.registry.Invariant``)."""

from __future__ import annotations

from audit.registry import Invariant
from workflows.actions.choices import TRANSITIONS

_LEGAL = ", ".join(
    f"('{a.value}', '{b.value}')" for a, following in TRANSITIONS.items() for b in sorted(following)
)
_EFFECTS = "c.purpose = 'execute'"
_ALLOWED = "'authorized', 'dispatched', 'confirmed', 'failed', 'in_doubt'"
_COUNTS = """(t.scope_kind = 'agent' AND {0}.agent_id::text = t.scope_id
           OR t.scope_kind = 'operation' AND {0}.operation_code = t.scope_id
           OR t.scope_kind = 'system' AND {0}.operation_id IN
              (SELECT o.id FROM connectors_operation o WHERE o.system_id::text = t.scope_id))"""


INVARIANTS: dict[str, Invariant] = {
    "I1": Invariant(
        "Every effect has exactly one allow, and where people were asked, one valid approval.",
        f"""
        SELECT c.id::text, 'call without its action, authorization or allow'
          FROM connectors_call c
          LEFT JOIN connectors_authorization p ON p.id = c.authorization_id
          LEFT JOIN actions_action a ON a.id::text = c.action_id
         WHERE {_EFFECTS}
           AND (p.consumed_at IS NULL OR p.action_id <> c.action_id OR a.id IS NULL
                OR p.arguments_digest <> a.arguments_digest
                OR 1 <> (SELECT count(*) FROM audit_event e
                          WHERE e.action_id = c.action_id AND e.verb = 'actions.action_authorized'
                            AND e.decision = 'allow'))
        UNION ALL
        SELECT a.id::text, 'done on an approval that is not approved, not used or short of its quorum'
          FROM actions_action a
          JOIN approvals_approval q ON q.id = a.approval_id
         WHERE EXISTS (SELECT 1 FROM connectors_call c WHERE {_EFFECTS} AND c.action_id = a.id::text)
           AND (q.state <> 'approved' OR q.used_at IS NULL OR q.subject_id <> a.id::text
                OR q.quorum > (SELECT count(*) FROM approvals_vote v
                                WHERE v.approval_id = q.id AND v.verdict = 'approve'))
        UNION ALL
        SELECT a.id::text, a.state || ' and was never allowed'
          FROM actions_action a
         WHERE a.state IN ({_ALLOWED})
           AND (NOT EXISTS (SELECT 1 FROM connectors_authorization p
                             WHERE p.id = a.authorization_id AND p.action_id = a.id::text)
                OR NOT EXISTS (SELECT 1 FROM audit_event e
                                WHERE e.action_id = a.id::text AND e.verb = 'actions.action_authorized'
                                  AND e.decision = 'allow'))
        UNION ALL
        SELECT a.id::text, a.state || ' although it was held and nobody approved it'
          FROM actions_action a
         WHERE a.state IN ({_ALLOWED}) AND a.standing_id IS NULL
           AND (a.approval_id IS NOT NULL
                OR EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.action_id = a.id::text AND e.verb = 'actions.action_held'))
           AND NOT EXISTS (SELECT 1 FROM approvals_approval q
                            WHERE q.subject_kind = 'actions.action' AND q.subject_id = a.id::text
                              AND q.state = 'approved' AND q.used_at IS NOT NULL)
        """,
    ),
    "I2": Invariant(
        "No decision without its event in the ledger.",
        """
        SELECT a.id::text, 'action without the event of its decision'
          FROM actions_action a
         WHERE NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.action_id = a.id::text AND e.subject_kind = 'actions.action'
                              AND e.decision IN ('allow', 'hold', 'deny'))
        UNION ALL
        SELECT a.id::text, 'action that people were asked about without the event that holds it'
          FROM actions_action a
         WHERE a.approval_id IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.action_id = a.id::text AND e.verb = 'actions.action_held')
        UNION ALL
        SELECT q.id::text, 'approval that is ' || q.state || ' without the event of it'
          FROM approvals_approval q
         WHERE q.subject_kind = 'actions.action' AND q.state <> 'pending'
           AND NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.subject_kind = 'approvals.approval' AND e.subject_id = q.id::text
                              AND e.verb = 'approvals.approval_' || q.state)
        UNION ALL
        SELECT v.id::text, 'vote without its event'
          FROM approvals_vote v
         WHERE NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.verb = 'approvals.vote_cast' AND e.subject_id = v.approval_id::text
                              AND e.actor_id = v.user_id::text)
        """,
    ),
    "I3": Invariant(
        "Actions move only along the table of transitions.",
        f"""
        WITH moves AS (
            SELECT e.action_id, substr(e.verb, 16) AS state,
                   lag(substr(e.verb, 16), 1, 'requested')
                       OVER (PARTITION BY e.action_id ORDER BY e.occurred_at, e.id) AS before
              FROM audit_event e
             WHERE e.verb LIKE 'actions.action\\_%%' AND e.subject_kind = 'actions.action'
               AND e.verb NOT IN ('actions.action_held_again', 'actions.action_repeated',
                                  'actions.action_put_off'))
        SELECT action_id, before || ' -> ' || state FROM moves
         WHERE (before, state) NOT IN (VALUES {_LEGAL})
        """,
    ),
    "I4": Invariant(
        "An operation that is not idempotent is dispatched at most once, unless the first call left nothing.",
        f"""
        SELECT c.action_id, count(*)::text || ' calls'
          FROM connectors_call c
          JOIN connectors_operation o ON o.id = c.operation_id
         WHERE {_EFFECTS} AND NOT o.idempotent AND o.effect <> 'read' AND c.outcome <> 'failed'
         GROUP BY c.action_id
        HAVING count(*) > 1 + (SELECT count(*) FROM audit_event e
                                WHERE e.action_id = c.action_id AND e.verb = 'actions.action_repeated')
            OR count(*) FILTER (WHERE c.outcome = 'confirmed') > 1
        """,
    ),
    "I5": Invariant(
        "No call begins after a stop, a brake, an expiry or a denial has committed.",
        f"""
        WITH RECURSIVE inside AS (
            SELECT id AS department, id AS above FROM agents_department
            UNION ALL
            SELECT i.department, d.parent_id FROM inside i JOIN agents_department d ON d.id = i.above
             WHERE d.parent_id IS NOT NULL)
        SELECT c.id::text, 'began under the stop ' || s.id::text
          FROM connectors_call c
          JOIN connectors_authorization p ON p.id = c.authorization_id
          JOIN actions_action a ON a.id::text = c.action_id
          JOIN agents_agent g ON g.id = a.agent_id
          JOIN agents_stop s ON p.consumed_at > s.raised_at
                            AND (s.lifted_at IS NULL OR p.consumed_at < s.lifted_at)
          LEFT JOIN connectors_operation o ON o.id = c.operation_id
          CROSS JOIN LATERAL (SELECT coalesce(
                (SELECT h.stage FROM agents_historicalstop h
                  WHERE h.id = s.id AND h.history_date <= p.consumed_at
                  ORDER BY h.history_date DESC, h.history_id DESC LIMIT 1), 'stop') AS stage) AS then_at
         WHERE (then_at.stage = 'stop' OR o.effect IS DISTINCT FROM 'read'
                    AND (then_at.stage = 'look' OR a.approval_id IS NULL))
           AND (s.scope_kind = 'everything'
            OR (s.scope_kind = 'agent' AND s.scope_id = g.id::text)
            OR (s.scope_kind = 'role' AND s.scope_id = g.role_id::text)
            OR (s.scope_kind = 'system' AND s.scope_id = c.system_id::text)
            OR (s.scope_kind = 'operation' AND s.scope_id = a.operation_code)
            OR (s.scope_kind = 'workflow' AND s.scope_id = a."references" ->> 'workflow_id')
            OR (s.scope_kind = 'department' AND s.scope_id IN
                   (SELECT i.above::text FROM inside i WHERE i.department = g.department_id)))
        UNION ALL
        SELECT c.id::text, 'began while its agent was braked'
          FROM connectors_call c
          JOIN connectors_authorization p ON p.id = c.authorization_id
          JOIN actions_action a ON a.id::text = c.action_id
          JOIN audit_event b ON b.agent_id = a.agent_id::text AND b.occurred_at < p.consumed_at
                            AND b.verb IN ('agents.agent_paused', 'agents.agent_suspended',
                                           'agents.agent_retired')
         WHERE NOT EXISTS (SELECT 1 FROM audit_event l
                            WHERE l.agent_id = b.agent_id AND l.verb = 'agents.brake_lifted'
                              AND l.occurred_at > b.occurred_at AND l.occurred_at < p.consumed_at)
        UNION ALL
        SELECT c.id::text, 'began under an authorization that had expired'
          FROM connectors_call c JOIN connectors_authorization p ON p.id = c.authorization_id
         WHERE p.consumed_at > p.expires_at
        UNION ALL
        SELECT a.id::text, 'was called although it is ' || a.state
          FROM actions_action a
         WHERE a.state NOT IN ('dispatched', 'confirmed', 'failed', 'in_doubt')
           AND EXISTS (SELECT 1 FROM connectors_call c WHERE {_EFFECTS} AND c.action_id = a.id::text)
        """,
    ),
    "I6": Invariant(
        "No limit is exceeded, and counters are the sum of what was reserved and settled.",
        """
        SELECT k.id::text, m.code || ': ' || (k.reserved + k.settled)::text || ' of ' || m.ceiling::text
          FROM agents_measurecounter k JOIN agents_measure m ON m.id = k.measure_id
         WHERE m.mode = 'enforced' AND m.on_exceed = 'deny' AND m.version = 1 AND m.window <> 'rolling'
           AND m.unit NOT IN ('tokens', 'cost', 'records') AND k.reserved + k.settled > m.ceiling
        UNION ALL
        SELECT r.id::text, 'still reserved although its action is ' || a.state
          FROM agents_reservation r JOIN actions_action a ON a.id::text = r.action_id
         WHERE r.state = 'reserved' AND a.finished_at IS NOT NULL
        UNION ALL
        SELECT r.id::text, r.state || ' although its action is ' || a.state
          FROM agents_reservation r JOIN actions_action a ON a.id::text = r.action_id
          JOIN agents_measure m ON m.id = r.measure_id
         WHERE (r.state = 'settled') <> (a.state = 'confirmed') AND a.finished_at IS NOT NULL
           AND m.unit NOT IN ('failures', 'running')
        UNION ALL
        SELECT r.id::text, 'counts as a failure although its action is ' || a.state
          FROM agents_reservation r JOIN actions_action a ON a.id::text = r.action_id
          JOIN agents_measure m ON m.id = r.measure_id AND m.unit = 'failures'
         WHERE r.state = 'settled' AND a.state <> 'failed'
        """,
    ),
    "I7": Invariant(
        "Nobody approves what they asked for; a vote is of a person, and of exactly what was shown.",
        """
        SELECT v.id::text, 'vote of the requester, of somebody excluded, of an agent, or on something else'
          FROM approvals_vote v
          JOIN approvals_approval q ON q.id = v.approval_id
          JOIN agents_user u ON u.id = v.user_id
         WHERE u.id::text = q.requester_id OR q.excluded_ids ? u.id::text OR u.kind <> 'person'
            OR v.digest <> q.digest
        UNION ALL
        SELECT v.id::text, 'vote in the place of the requester, of somebody excluded, or without a delegation'
          FROM approvals_vote v
          JOIN approvals_approval q ON q.id = v.approval_id
          CROSS JOIN LATERAL (VALUES (v.on_behalf_of_id, coalesce(v.through_id, v.user_id)),
                                     (v.through_id, v.user_id)) AS link (giver, delegate)
         WHERE link.giver IS NOT NULL
           AND (link.giver::text = q.requester_id OR q.excluded_ids ? link.giver::text
                OR NOT EXISTS (SELECT 1 FROM approvals_delegation d
                                WHERE d.giver_id = link.giver AND d.delegate_id = link.delegate
                                  AND d.created_at <= v.at + interval '1 minute'
                                  AND (d.withdrawn_at IS NULL OR d.withdrawn_at >= v.at)))
        UNION ALL
        SELECT v.id::text, 'somebody counts twice'
          FROM approvals_vote v
          JOIN approvals_vote w ON w.approval_id = v.approval_id AND w.id > v.id
         WHERE ARRAY[v.user_id, v.on_behalf_of_id, v.through_id]
               && array_remove(ARRAY[w.user_id, w.on_behalf_of_id, w.through_id], NULL)
        UNION ALL
        SELECT q.id::text, 'a stage begun or approved before those before it had agreed'
          FROM approvals_approval q
          JOIN approvals_stage s ON s.approval_id = q.id
                                AND (s.number < q.stage OR q.state = 'approved')
         WHERE s.quorum > (SELECT count(*) FROM approvals_vote v
                            WHERE v.approval_id = q.id AND v.stage = s.number AND v.verdict = 'approve')
        UNION ALL
        SELECT q.id::text, 'approved by somebody who had not shown again who they are'
          FROM approvals_approval q
          JOIN approvals_vote v ON v.approval_id = q.id AND v.verdict = 'approve'
         WHERE q.step_up AND (v.step_up_at IS NULL OR v.step_up_at < v.at - interval '1 hour')
        UNION ALL
        SELECT q.id::text, 'approved with fewer votes than its quorum'
          FROM approvals_approval q
         WHERE q.state = 'approved'
           AND q.quorum > (SELECT count(*) FROM approvals_vote v
                            WHERE v.approval_id = q.id AND v.verdict = 'approve')
        """,
    ),
    "I8": Invariant(
        "Every action has the event of where it stands, and everything being done is leased.",
        """
        SELECT a.id::text, a.state || ' without its event'
          FROM actions_action a
         WHERE a.state <> 'requested'
           AND NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.action_id = a.id::text AND e.verb = 'actions.action_' || a.state)
        UNION ALL
        SELECT a.id::text, 'was begun without the event of it'
          FROM actions_action a
         WHERE a.dispatched_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM audit_event e
                            WHERE e.action_id = a.id::text AND e.verb = 'actions.action_dispatched')
        UNION ALL
        SELECT a.id::text, 'being done, and nobody holds its lease'
          FROM actions_action a
         WHERE a.state = 'dispatched' AND NOT EXISTS (SELECT 1 FROM actions_lease l WHERE l.action_id = a.id)
        """,
    ),
    "I12": Invariant(
        "What nobody knows the end of is shown: an action in doubt has an incident that waits for people.",
        """
        SELECT a.id::text, 'is in doubt, and nobody is asked about it'
          FROM actions_action a
         WHERE a.state = 'in_doubt'
           AND NOT EXISTS (SELECT 1 FROM tasks_task t
                            WHERE t.kind = 'incident' AND t.subject_kind = 'actions.action'
                              AND t.subject_id = a.id::text AND t.closed_at IS NULL)
        """,
    ),
    # What was begun before it was tightened may be more; rates by those of the last hour.
    "I24": Invariant(
        "No more was begun at once, or within the seconds of a rate, than a throttle said since it says so.",
        f"""
        SELECT t.id::text, count(*)::text || ' at once of ' || t.most_at_once::text
          FROM agents_throttle t
          JOIN actions_action a ON a.state = 'dispatched' AND a.dispatched_at > t.in_force_since
                               AND {_COUNTS.format("a")}
         WHERE t.is_enabled
         GROUP BY t.id, t.most_at_once
        HAVING count(*) > t.most_at_once
        UNION ALL
        SELECT a.id::text, 'began although ' || t.most::text || ' had within ' || t.per_seconds::text || ' s'
          FROM agents_throttle t
          JOIN actions_action a ON a.took_turn AND {_COUNTS.format("a")}
                               AND a.dispatched_at > greatest(t.in_force_since, now() - interval '1 hour')
         WHERE t.is_enabled
           AND t.most < (SELECT count(*) FROM actions_action b
                          WHERE b.took_turn AND b.dispatched_at <= a.dispatched_at AND {_COUNTS.format("b")}
                            AND b.dispatched_at > a.dispatched_at - t.per_seconds * interval '1 second')
        """,
    ),
    "I25": Invariant(
        "What was approved in advance was used as often as it says, and nothing began by it once it was ended.",
        """
        SELECT s.id::text, s.used::text || ' counted, by ' || count(a.id)::text || ' actions'
          FROM actions_standingapproval s LEFT JOIN actions_action a ON a.standing_id = s.id
         GROUP BY s.id HAVING s.used <> count(a.id) OR s.used > s.most_uses
        UNION ALL
        SELECT a.id::text, 'began by what was approved in advance and had ended'
          FROM actions_action a JOIN actions_standingapproval s ON s.id = a.standing_id
         WHERE (a.dispatched_at > s.revoked_at OR a.dispatched_at > s.until + interval '1 minute')
           AND a.approval_id IS NULL
        """,
    ),
    "I26": Invariant(
        "What a person changed took the place of one that ended, and whoever changed it did not approve it.",
        """
        SELECT n.id::text, 'takes the place of an action that is ' || o.state
          FROM actions_action n JOIN actions_action o ON o.id = n.replaces_id
         WHERE o.state <> 'superseded' OR n.agent_id <> o.agent_id OR n.operation_code <> o.operation_code
        UNION ALL
        SELECT v.id::text, 'is a vote of whoever changed what it is on'
          FROM actions_action a
          JOIN approvals_vote v ON v.approval_id = a.approval_id AND v.verdict = 'approve'
         WHERE a.edit_people <> '[]'::jsonb
           AND (a.edit_people ? v.user_id::text OR a.edit_people ? v.on_behalf_of_id::text
                OR a.edit_people ? v.through_id::text)
        UNION ALL
        SELECT a.id::text, 'was changed by a person, and nobody else approved it'
          FROM actions_action a LEFT JOIN approvals_approval q ON q.id = a.approval_id
         WHERE a.replaces_id IS NOT NULL AND a.authorization_id IS NOT NULL
           AND (q.state IS DISTINCT FROM 'approved' OR q.subject_id <> a.id::text)
        """,
    ),
}
