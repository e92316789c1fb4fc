from __future__ import annotations

from django.apps import AppConfig

GROUPS = {
    "Managers": ["backtests.add_backtest", "backtests.view_backtest"],
    "Auditors": ["backtests.view_backtest"],
}
VERBS = {
    "backtests.backtest_asked": "Somebody asked what a rule would have decided about recorded actions.",
    "backtests.backtest_finished": "What a rule would have decided about recorded actions is known.",
}


class BacktestsConfig(AppConfig):
    name = "workflows.backtests"
    label = "backtests"
    verbose_name = "Back-tests"

    def ready(self) -> None:
        from agents.registry import register_role_permissions
        from audit import visibility
        from audit.registry import register_verbs
        from workflows.backtests import selectors

        for group, permissions in GROUPS.items():
            register_role_permissions(group, permissions)
        register_verbs(VERBS)
        visibility.register("backtests", selectors.visible_events)
