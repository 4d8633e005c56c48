"""What the provider says of a text: its answer to a call, and the delivery reports that follow."""

from datetime import datetime
from enum import StrEnum

from shared.domain.texts import State, Text


class Verdict(StrEnum):
    """What came of asking the provider once.

    busy        surely not taken: throttled, unreachable, or our key is refused
    uncertain   perhaps taken: the answer was lost, late or a server error
    rejected    the repeatability id is too old or was used for something else
    """

    ACCEPTED = "accepted"
    BUSY = "busy"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"
    FAILED = "failed"


#: What an answer makes of a text whose first call it answers, and of one that had been asked for before: there an
#: earlier call may have been taken, whatever the provider says now.
_FIRST_ANSWER = {
    Verdict.ACCEPTED: State.ACCEPTED,
    Verdict.BUSY: State.THROTTLED,
    Verdict.UNCERTAIN: State.SENDING,
    Verdict.REJECTED: State.UNKNOWN,
    Verdict.FAILED: State.FAILED,
}
_LATER_ANSWER = _FIRST_ANSWER | {Verdict.BUSY: State.SENDING, Verdict.FAILED: State.UNKNOWN}


def answered(text: Text, verdict: Verdict, provider_message: str, code: str, *, first_call: bool) -> Text:
    """The text after the provider's answer; a report that came before it stands."""
    taken = verdict is Verdict.ACCEPTED
    if text.state is not State.SENDING and not (taken and text.state in {State.THROTTLED, State.UNKNOWN}):
        return text.model_copy(update={"provider_message": text.provider_message or provider_message})
    state = (_FIRST_ANSWER if first_call else _LATER_ANSWER)[verdict]
    return text.model_copy(
        update={"state": state, "provider_message": provider_message or text.provider_message, "code": code}
    )


def reported(text: Text, status: str, code: str, at: datetime, provider_message: str) -> Text:
    """The text after a delivery report. Delivered stays; of two failures the later one says why.

    status   `delivered` or `failed`, in lower case; others say nothing we keep
    """
    if status not in {"delivered", "failed"} or text.state is State.DELIVERED:
        return text
    older = text.reported_at is not None and (at, code) <= (text.reported_at, text.code)
    if status == "failed" and older:
        return text
    known = provider_message or text.provider_message
    return text.becomes(State(status), code=code, reported_at=at, provider_message=known)


_NOT_DELIVERED = "Not Delivered - "
#: Codes of delivery reports (microsoft-apis.md section 3) in the words of the usage report (product F11.9). Its
#: `Recipient blocked` has no code there.
_WORDS = {
    "2000": "Sent",
    "4002": f"{_NOT_DELIVERED}Invalid phone number",
    "4003": f"{_NOT_DELIVERED}Invalid phone number",
    "4004": f"{_NOT_DELIVERED}Phone number doesn't exist",
    "4005": f"{_NOT_DELIVERED}Blocked phone number",
    "4006": f"{_NOT_DELIVERED}Unreachable phone number",
    "4007": f"{_NOT_DELIVERED}Blocked by recipient",
    "4009": f"{_NOT_DELIVERED}Spam detected",
    "4020": f"{_NOT_DELIVERED}Spam detected",
}


def status_words(code: str) -> str:
    """How a report calls a code; one that is not listed is `Other error`."""
    return _WORDS.get(code, f"{_NOT_DELIVERED}Other error")
