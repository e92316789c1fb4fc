"""``make bench-policy``: how long a decision takes, and how fast a draft is tried on recorded actions.

    python -m tests.benchmarks.policy [ACTIONS]

The first is the pure function in this process with 10, 100 and 1,000 rules loaded (``decisions.py``): the
median of three rounds' 99th percentiles, no decision remembered. The second is a whole back-test on
PostgreSQL, as a worker does it in one process, slice by slice, over 100,000 actions of which a tenth would be
decided otherwise. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from statistics import median
from typing import Any

import psycopg

from tests.benchmarks.house import House, open_house

ACTIONS, ROUNDS = 100_000, 3
BATCH = 20_000
_FILL = """
INSERT INTO actions_action (id, agent_id, operation_code, operation_id, revision_id, arguments,
                            arguments_digest, label, reason, evidence, confidence, provenance, currency, state,
                            code, sentence,
                            next_step, verdict, explanation, policy_version, binding, attempt, epoch,
                            is_temporary, outcome, remote_ref, correlation_id, "references", edit_reason,
                            requested_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, a.id, o.code, o.id, o.current_revision_id,
       jsonb_build_object('workflow', 'governed', 'key', 'key-' || n), repeat('0', 64), 'Look up ' || n, '',
       '[]', '', '{}', '', 'requested', '', '', '', '', '{"limits": []}', '', '', 0, 0, false, '', '', '', '{}',
       '', now() - n * interval '1 second'
  FROM agents_agent a, connectors_operation o, generate_series(%(first)s::int, %(last)s::int) AS n
 WHERE a.code = 'robo0' AND o.code = 'portal.run.find'
"""


def main() -> int:
    """Measure both, print them, and the result as JSON."""
    actions = int(sys.argv[1]) if len(sys.argv) > 1 else ACTIONS
    with open_house() as house:
        found = {**_decided(), **_tried(house, actions)}
    print(json.dumps(found), flush=True)
    return 0


def _decided() -> dict[str, float]:
    from tests.benchmarks.decisions import LOADED, p99_ms

    rounds = [{loaded: p99_ms(loaded, seed=seed) for loaded in LOADED} for seed in range(ROUNDS)]
    return {f"p99_ms_{loaded}": round(median(one[loaded] for one in rounds), 3) for loaded in LOADED}


def _tried(house: House, actions: int) -> dict[str, Any]:
    """Return actions judged a second, twice each, with reading them and keeping what was counted."""
    from tests.benchmarks import company
    from workflows.backtests import services

    company.settle()
    _fill(house, actions)
    backtest = _asked()
    began = time.monotonic()
    while backtest.state == "running":
        services.come_on(backtest_id=backtest.pk)
        backtest.refresh_from_db()
    took = time.monotonic() - began
    if (backtest.state, backtest.looked_at, backtest.result["changed"]) != ("done", actions, actions // 10):
        raise RuntimeError(f"It went wrong: {backtest.state} {backtest.looked_at} {backtest.problem}")
    return {
        "backtest_actions_per_s": round(actions / took, 1),
        "backtest_actions": actions,
        "backtest_seconds": round(took, 1),
    }


def _asked() -> Any:
    from agents.models import Policy, User
    from agents.services import policies
    from tests.benchmarks.company import ACTOR, WHY
    from workflows.backtests import services
    from workflows.tasks.selectors import database_now

    policy = Policy.objects.first() or policies.create_policy(
        actor=ACTOR, code="company", name="Company", reason=WHY
    )
    content = {"name": "Tried", "operations": "portal.run.*", "verdict": "hold", "mode": "draft"}
    rule = policies.create_rule(
        actor=ACTOR, policy=policy, content={**content, "condition": "args.key.endsWith('7')"}, reason=WHY
    )
    now = database_now()
    manager = User.objects.get(username="manager").as_actor()
    return services.ask_backtest(actor=manager, rule=rule, since=now - timedelta(days=30), until=now)


def _fill(house: House, actions: int) -> None:
    """Write recorded actions as the superuser; triggers and constraints check every row as always."""
    with psycopg.connect(house.postgres.superuser_url("autonomy"), autocommit=True) as connection:
        for first in range(1, actions + 1, BATCH):
            connection.execute(_FILL, {"first": first, "last": min(first + BATCH - 1, actions)})
        connection.execute("VACUUM ANALYZE")  # what autovacuum does within minutes


if __name__ == "__main__":
    sys.exit(main())
