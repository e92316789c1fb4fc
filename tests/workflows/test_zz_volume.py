from __future__ import annotations
import time
import pytest
from django.db import connection
from django.urls import reverse
from tests import harness
from tests.workflows.conftest import hold_above
from tests.workflows.test_pages_runs import browser, workflow
from tests.workflows.test_runs import begun, claim, complete
from workflows.pages.run_tabs import TABS
__all__ = ["workflow"]
pytestmark = [pytest.mark.usefixtures("hints")]
ID = "(lpad(to_hex(1700000000000 + i::bigint*%s),12,'0')||'7000'||'8000'||lpad(to_hex(i),12,'0'))::uuid"

def test_volume(live_db, workflow, alice, bob, carol, dave, mallory, clerk):
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat")
    run.refresh_from_db()
    parked = run.steps.get(is_parked=True)
    name = connection.settings_dict["NAME"]
    n = 200000
    with harness.superuser(name) as c:
        c.execute("SET session_replication_role = replica")
        rid, sid = ID % 1000, ID % 1001
        c.execute(f"""INSERT INTO runs_run SELECT (jsonb_populate_record(r, jsonb_build_object('id', {rid}, 'key', 'k'||i, 'label', 'Letter '||i,
          'started_at', to_timestamp(1700000000 + i), 'started_by_id', case when i %% 5000 = 0 then '{bob.pk}' else 'x' end,
          'state', case when i %% 100 = 0 then 'running' when i %% 397 = 0 then 'incident' when i %% 50 = 1 then 'cancelled' else 'done' end,
          'finished_at', case when i %% 100 = 0 or i %% 397 = 0 then null else to_timestamp(1700000100 + i) end, 'problem', case when i %% 397=0 then r.problem else '' end))).*
          FROM runs_run r, generate_series(1,{n}) i WHERE r.id = %s""", [run.pk])
        c.execute(f"""INSERT INTO runs_step SELECT (jsonb_populate_record(s, jsonb_build_object('id', {sid}, 'run_id', {rid}, 'task_id', null, 'action_id', null,
          'state', case when i %% 100 = 0 then 'running' else 'done' end, 'is_parked', i %% 397 = 0 and i %% 100 <> 0,
          'finished_at', case when i %% 100 = 0 then null else to_timestamp(1700000100 + i) end))).*
          FROM runs_step s, generate_series(1,{n}) i WHERE s.id = %s""", [parked.pk])
        c.execute("ANALYZE")
    pages = [("runs", {"show": s}) for s in ("open","incident","paused","done","cancelled","all")]
    pages += [("runs", {"show": "all", **q}) for q in ({"text":"Letter 19999"},{"text":"nope"},{"agent":"robo"},{"waits":"people"},{"waits":"agent"},{"workflow":"letters"},{"since":"2023-11-16","until":"2023-11-16"},{"order":"oldest"})]
    pages += [("incidents", {})]
    for user in (carol, dave, bob, mallory):
        client = browser(user)
        client.get(reverse("runs"))
        for page, query in pages:
            at = time.perf_counter(); cpu = time.process_time()
            r = client.get(reverse(page), query)
            spent, mine = (time.perf_counter()-at)*1000, (time.process_time()-cpu)*1000
            print(f"{user} {page} {query} {r.status_code} {spent:.0f} ms, python {mine:.0f}")
    client = browser(carol)
    for tab in TABS:
        at = time.perf_counter(); cpu = time.process_time()
        client.get(reverse("run", args=[run.pk]), {"tab": tab})
        print(tab, f"{(time.perf_counter()-at)*1000:.0f} ms python {(time.process_time()-cpu)*1000:.0f}")
