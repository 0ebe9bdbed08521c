"""What a playlist will do, before it does it: the next day of plays, and what the policy says.

Pure. Findings are gathered: one line for an item that is forbidden on seven days, not seven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from loa_manager.publish.rules import Finding, Play, Reason, judge, plays
from loa_protocol.hours import DAY_S
from loa_protocol.language import translator
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.policy import Policy

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing the policy says at one place, on *days* days from *first* on."""

    place: str
    finding: Finding
    first: datetime
    days: int

    @property
    def text(self) -> str:
        """The remark in words."""
        when = self.first.strftime("%d/%m/%Y %H:%M")
        if self.days > 1:
            when = _("{first} and {more} more times").format(first=when, more=self.days - 1)
        return f"{self.place}: {reason_text(self.finding)} ({when})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The plays of 24 hours from *start* on: from now, or from the first play where none is near.

    Instants are local, at the policy's offset from UTC.
    """

    start: datetime
    is_later: bool
    plays: list[Play]
    remarks: list[Remark]
    zone: timezone

    @property
    def forbidden(self) -> list[Remark]:
        """The remarks on what no device will play."""
        return [each for each in self.remarks if each.finding.reason.is_forbidden]

    def local(self, unix_ms: int) -> datetime:
        """Return the local time of *unix_ms*."""
        return datetime.fromtimestamp(unix_ms / 1000, self.zone)


def make_preview(
    playlist: Playlist, policy: Policy, now_s: int, places: Mapping[str, str] | None = None
) -> Preview:
    """Return what *playlist* will do under *policy*.

    Args:
        playlist: Signed or not.
        policy: The one in force for its scope.
        now_s: From when on.
        places: Where ids of the playlist stand in the officer's text; by default items are named
            by title and time of day.
    """
    zone = timezone(timedelta(minutes=policy.utc_offset_min))
    start, is_later = now_s, False
    coming = plays(playlist, policy, now_s, playlist.expires)
    if coming and coming[0].start_ms >= (now_s + DAY_S) * 1000:
        start, is_later = coming[0].start_ms // 1000, True
    return Preview(
        start=datetime.fromtimestamp(start, zone),
        is_later=is_later,
        plays=[play for play in coming if play.start_ms < (start + DAY_S) * 1000],
        remarks=_gather(
            [each for each in judge(playlist, policy) if _end_s(each) > now_s],
            places or _titles(playlist, zone),
            zone,
        ),
        zone=zone,
    )


def reason_text(finding: Finding) -> str:
    """Return why an item is forbidden, or how it will differ from what was asked."""
    no_host = _(
        "the policy's unsigned_streams does not name {host}, and devices pass it over; "
        "bring it on air with loa relay, which signs it, or have the policy changed"
    )
    no_hours = _(
        "devices pass {host} over outside the policy's unsigned_stream_hours; "
        "move the item into them, or bring it on air with loa relay, which signs it"
    )
    texts = {
        Reason.QUIET_HOURS: _("outside the allowed hours"),
        Reason.SESSIONS: _("more than {limit} sessions on one day"),
        Reason.MINUTES: _("goes beyond {limit} minutes from the start of its session"),
        Reason.SLOT: _("goes beyond the end of its session"),
        Reason.CATEGORY: _("the policy refuses its category"),
        Reason.LANGUAGE: _("the policy does not allow its language"),
        Reason.VALIDITY: _("outside the days for which the playlist is valid"),
        Reason.KIND: _("an emergency goes out as an alert, never in a schedule"),
        Reason.OVERLAP: _("sounds over more than one item, or over another announcement"),
        Reason.UNSIGNED: _("{host}; whoever owns that server decides what is heard"),
        Reason.STREAM_HOST: no_host,
        Reason.NO_HOST: no_host,
        Reason.STREAM_HOURS: no_hours,
        Reason.NO_HOURS: no_hours,
        Reason.VOLUME: _("volume {asked} is over the cap; devices will play at {limit}"),
        Reason.SLOT_HOURS: _("the session reaches into forbidden hours"),
        Reason.POLICY_ENDS: _("the policy ends before it"),
    }
    own = None if finding.item is None else finding.item.volume
    asked = finding.session.volume if own is None else own
    return texts[finding.reason].format(limit=finding.limit, asked=asked, host=finding.host)


def _gather(findings: list[Finding], places: Mapping[str, str], zone: timezone) -> list[Remark]:
    groups: dict[tuple[str, Reason, int, str], list[Finding]] = {}
    for finding in findings:
        name = finding.session.id if finding.item is None else finding.item.id
        key = places[name], finding.reason, finding.limit, finding.host
        groups.setdefault(key, []).append(finding)
    return [
        Remark(
            place=place,
            finding=group[0],
            first=datetime.fromtimestamp(group[0].start_ms / 1000, zone),
            days=len(group),
        )
        for (place, *_facts), group in groups.items()
    ]


def _end_s(finding: Finding) -> int:
    return finding.session.start + finding.session.duration_s


def _titles(playlist: Playlist, zone: timezone) -> dict[str, str]:
    """Name sessions and items of a playlist whose text is not at hand, alike on every day."""
    places = {}
    for session in playlist.sessions:
        start = datetime.fromtimestamp(session.start, zone)
        places[session.id] = _("session {start}").format(start=start.strftime("%H:%M"))
    for item in playlist.items:
        if item.session < len(playlist.sessions):
            session = playlist.sessions[item.session]
            places[item.id] = f'{places[session.id]}, "{item.title}"'
    return places
