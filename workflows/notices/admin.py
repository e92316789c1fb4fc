"""Channels, and what was sent: to whom, when, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents.admin.base import WorkforceAdmin, moment, table, trail, values_of
from audit.adminkit import ReadOnlyAdmin, actor_of, reason_action
from audit.vocabulary import Refusal, RefusalKind
from workflows.notices import services
from workflows.notices.choices import State
from workflows.notices.forms import ChannelForm
from workflows.notices.models import Channel, Mail, Outgoing, Post

KEPT = ("name", "address", "groups", "agent", "private_networks", "is_enabled")
LABELS = {State.WAITING: "warning", State.SENT: "success", State.DROPPED: "default", State.GIVEN_UP: "danger"}
NEWEST = 50


@admin.register(Channel)
class ChannelAdmin(WorkforceAdmin):
    """Places that are told of what waits. A channel is switched off, never deleted: its log names it."""

    form = ChannelForm
    list_display = ("name", "shown_host", "shown_ready", "shown_last")
    list_filter = ("is_enabled",)
    search_fields = ("name",)
    empty_title = "No channel yet"
    empty_step = "Add the address of an incoming webhook of your chat, then issue a secret."
    next_step = "Next: issue a secret, give it to whoever checks signatures, and send a test."
    actions_detail = ["send_test", "issue_secret"]
    fieldsets = (
        ("Channel", {"classes": ["tab"], "fields": (*KEPT, "shown_ready")}),
        ("What was sent", {"classes": ["tab"], "fields": ("shown_log",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = ((None, {"fields": KEPT}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        """Fetch the newest message of each with one question."""
        newest = Post.objects.order_by("channel_id", "-id").distinct("channel_id")
        return super().get_queryset(request).prefetch_related(Prefetch("posts", newest, to_attr="newest"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever knows the address can write there: who may not change it reads its host."""
        found = list(super().get_fieldsets(request, obj))
        if obj is None or self.has_change_permission(request, obj):
            return found
        shown = tuple("shown_host" if name == "address" else name for name in found[0][1]["fields"])
        return [(found[0][0], {**found[0][1], "fields": shown}), *found[1:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "shown_host", "shown_ready", "shown_log", "shown_trail")

    def create(self, request: HttpRequest, form: Any) -> Channel:
        return services.save_channel(
            actor=actor_of(request), values=values_of(form), reason=form.cleaned_data["reason"]
        )

    def update(self, request: HttpRequest, obj: Any, form: Any) -> Channel:
        reason = form.cleaned_data["reason"]
        return services.save_channel(
            actor=actor_of(request), values=values_of(form), reason=reason, channel=obj
        )

    @display(description="Leads to")
    def shown_host(self, channel: Channel) -> str:
        return channel.host

    @display(description="State", label={"On": "success", "Off": "default", "No secret": "warning"})
    def shown_ready(self, channel: Channel) -> str:
        if not channel.is_enabled:
            return "Off"
        return "On" if channel.secret_id else "No secret"

    @display(description="Last message")
    def shown_last(self, channel: Any) -> str:
        return _became(channel.newest[0]) if channel.newest else "None yet"

    @display(description="What was sent")
    def shown_log(self, channel: Channel) -> SafeString:
        posts = channel.posts.all()[:NEWEST]
        rows = [(str(post.body.get("subject", "")), _became(post), moment(post.created_at)) for post in posts]
        return table(("About", "What became of it", "When (UTC)"), rows, empty="Nothing was sent yet.")

    @display(description="Trail")
    def shown_trail(self, channel: Channel) -> SafeString:
        return trail(self.opts.label_lower, channel)

    @reason_action(
        title="Send a test?",
        description="Send a test",
        text="Sends a signed message that tells of nothing, now, and shows what was answered.",
        submit="Send",
        permission="notices.test_channel",
        icon="send",
    )
    def send_test(self, request: HttpRequest, obj: Channel, data: Mapping[str, Any]) -> str:
        """Send a test."""
        answer = services.send_test(actor=actor_of(request), channel=obj, reason=data["reason"])
        if not answer.arrived:
            raise Refusal(
                "test_failed", f"The test did not arrive. {answer.problem}", kind=RefusalKind.UNAVAILABLE
            )
        return f"The test arrived: {obj.host} answered {answer.status}."

    @reason_action(
        title="Issue a secret",
        description="Issue secret",
        text="It is shown once, right here; the one before it signs nothing any more.",
        submit="Issue",
        permission="notices.change_channel",
        icon="key",
        variant=ActionVariant.PRIMARY,
    )
    def issue_secret(self, request: HttpRequest, obj: Channel, data: Mapping[str, Any]) -> HttpResponse:
        """Issue a secret and show it once."""
        issued = services.issue_channel_secret(actor=actor_of(request), channel=obj, reason=data["reason"])
        back = reverse("admin:notices_channel_change", args=[obj.pk])
        context = {"channel": obj, "issued": issued, "back": back}
        answer = HttpResponse(render_to_string("notices/secret_once.html", context, request))
        answer["Cache-Control"] = "no-store"
        answer["HX-Retarget"] = answer["HX-Reselect"] = "#dialog"
        answer["HX-Reswap"] = "outerHTML"
        return answer


class OutgoingAdmin(ReadOnlyAdmin):
    """What left the house, or did not."""

    list_filter = ["state"]
    actions_detail = ["try_again"]
    readonly_fields = ["shown_state"]

    @display(description="State", ordering="state", label=LABELS)
    def shown_state(self, outgoing: Outgoing) -> tuple[str, str]:
        return outgoing.state, outgoing.get_state_display()


def _again(name: str) -> Any:
    @reason_action(
        title="Try it again?",
        description="Try again",
        text="It is tried like a new one: at once, then with growing pauses.",
        submit="Try again",
        permission=f"notices.change_{name}",
        available=lambda outgoing: outgoing.state == State.GIVEN_UP,
        icon="refresh",
    )
    def try_again(self: Any, request: HttpRequest, obj: Outgoing, data: Mapping[str, Any]) -> str:
        """Try what was given up once more."""
        services.try_again(actor=actor_of(request), outgoing=obj, reason=data["reason"])
        return "It is tried again now."

    return try_again


@admin.register(Mail)
class MailAdmin(OutgoingAdmin):
    """Mails to people, with what they were about."""

    list_display = ["person", "shown_state", "attempts", "problem", "created_at"]
    list_select_related = ["person"]
    search_fields = ["person__username", "problem"]
    fields = [
        "person",
        "shown_state",
        "attempts",
        "next_at",
        "problem",
        "created_at",
        "ended_at",
        "shown_lines",
    ]
    readonly_fields = ["shown_state", "shown_lines"]
    try_again = _again("mail")

    @display(description="About")
    def shown_lines(self, mail: Mail) -> SafeString:
        lines = mail.lines.select_related("notice__task")[:NEWEST]
        rows = [(line.notice.task.title, line.notice.get_why_display()) for line in lines]
        return table(("What waited", "Why"), rows, empty="Nothing.")


@admin.register(Post)
class PostAdmin(OutgoingAdmin):
    """Messages to channels."""

    list_display = ["channel", "shown_about", "shown_state", "attempts", "status", "problem", "created_at"]
    list_select_related = ["channel"]
    search_fields = ["channel__name", "problem"]
    fields = [
        "channel",
        "body",
        "shown_state",
        "attempts",
        "next_at",
        "status",
        "problem",
        "created_at",
        "ended_at",
    ]
    try_again = _again("post")

    @display(description="About")
    def shown_about(self, post: Post) -> str:
        return str(post.body.get("subject", ""))


def _became(post: Post) -> str:
    words = str(post.get_state_display())
    return f"{words}: {post.problem}" if post.problem else words
