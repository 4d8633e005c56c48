"""Attendance reports and call records, made from what happened in a call (microsoft-apis.md 2c, 2d). Pure."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.graph import times
from sandbox.graph.calls import Call, Participant, Stay
from sandbox.graph.meetings import Meeting

ROLES = {"organizer": "Organizer", "coorganizer": "Presenter", "presenter": "Presenter", "producer": "Presenter"}
AUDIO_STREAM = {
    "averageAudioDegradation": 0.2,
    "averageJitter": "PT0.007S",
    "maxJitter": "PT0.012S",
    "averagePacketLossRate": 0.0038,
    "maxPacketLossRate": 0.0174,
    "averageRatioOfConcealedSamples": 0.0123,
    "averageRoundTripTime": "PT0.064S",
    "maxRoundTripTime": "PT0.106S",
    "averageAudioNetworkJitter": "PT0.043S",
    "packetUtilization": 709,
    "averageBandwidthEstimate": 9965083,
}
VIDEO_STREAM = {
    "averageJitter": "PT0.009S",
    "averagePacketLossRate": 0.0041,
    "averageRoundTripTime": "PT0.066S",
    "averageVideoFrameRate": 27.5,
    "averageVideoPacketLossRate": 0.0041,
    "lowFrameRateRatio": 0.02,
    "packetUtilization": 4021,
}


def attendance(call: Call) -> dict[str, Any]:
    """The report of one session, without its records; time in the lobby is not in it."""
    return {
        "id": call.report_id,
        "totalParticipantCount": len(_by_person(call)),
        "meetingStartDateTime": times.text(call.started),
        "meetingEndDateTime": times.text(call.ended or call.started),
        "attendanceRecords": [],
    }


def attendance_records(meeting: Meeting, call: Call) -> list[dict[str, Any]]:
    """One record per person with the stretches they were in."""
    return [_attendance_record(meeting, stays) for stays in _by_person(call)]


def call_record(meeting: Meeting, call: Call) -> dict[str, Any]:
    """The record of one session, without what must be expanded."""
    organizer = meeting.organizer
    people = [stays[0].participant.identity() for stays in _by_person(call)]
    who = {"id": organizer.oid, "displayName": organizer.name, "tenantId": organizer.tenant}
    return {
        "id": call.record_id,
        "version": 1,
        "type": "groupCall",
        "modalities": ["audio", "video"],
        "lastModifiedDateTime": times.text(call.ended or call.started),
        "startDateTime": times.text(call.started),
        "endDateTime": times.text(call.ended or call.started),
        "joinWebUrl": meeting.join_url,
        "organizer": {"user": who},
        "participants": people,
    }


def sessions(call: Call) -> list[dict[str, Any]]:
    """One session per stay, each with one segment, audio in both directions and video."""
    return [_session(call, number, stay) for number, stay in enumerate(call.stays)]


def _by_person(call: Call) -> list[list[Stay]]:
    people: dict[str, list[Stay]] = {}
    for stay in call.stays:
        people.setdefault(stay.participant.id, []).append(stay)
    return list(people.values())


def _attendance_record(meeting: Meeting, stays: list[Stay]) -> dict[str, Any]:
    one = stays[0].participant
    intervals = [_interval(stay) for stay in stays]
    return {
        "id": one.user.oid if one.user else one.id,
        "emailAddress": one.user.upn if one.user else None,
        "role": ROLES.get(meeting.role(one.user) if one.user else "attendee", "Attendee"),
        "totalAttendanceInSeconds": sum(interval["durationInSeconds"] for interval in intervals),
        "identity": _person(one),
        "attendanceIntervals": intervals,
    }


def _person(one: Participant) -> dict[str, Any]:
    if one.user is None:
        return {"id": one.id, "displayName": one.name, "tenantId": None}
    return {"id": one.user.oid, "displayName": one.user.name, "tenantId": one.user.tenant}


def _interval(stay: Stay) -> dict[str, Any]:
    end = stay.end or stay.start
    return {
        "joinDateTime": times.text(stay.start),
        "leaveDateTime": times.text(end),
        "durationInSeconds": int((end - stay.start).total_seconds()),
    }


def _session(call: Call, number: int, stay: Stay) -> dict[str, Any]:
    span = {"startDateTime": times.text(stay.start), "endDateTime": times.text(stay.end or stay.start)}
    agent = {"@odata.type": "#microsoft.graph.callRecords.clientUserAgent", "platform": "web", "productFamily": "teams"}
    caller = {
        "@odata.type": "#microsoft.graph.callRecords.participantEndpoint",
        "identity": stay.participant.identity(),
        "userAgent": agent,
        "feedback": None,
    }
    key = str(uuid5(NAMESPACE_URL, f"{call.record_id}/{number}"))
    ends = {**span, "id": key, "caller": caller, "callee": None}
    segment = {**ends, "media": [_media("main-audio", AUDIO_STREAM), _media("main-video", VIDEO_STREAM)]}
    modalities = ["audio", "video"]
    return {**ends, "modalities": modalities, "failureInfo": None, "isTest": False, "segments": [segment]}


def _media(label: str, stream: dict[str, Any]) -> dict[str, Any]:
    directions = ("callerToCallee", "calleeToCaller")
    return {
        "label": label,
        "callerNetwork": {"connectionType": "wifi"},
        "callerDevice": {},
        "calleeNetwork": None,
        "calleeDevice": None,
        "streams": [{"streamDirection": direction, **stream} for direction in directions],
    }
