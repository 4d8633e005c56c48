"""Which events the resource publishes: delivery reports and inbound texts."""

import uuid
from typing import Any

from sandbox.acs.bodies import digits
from sandbox.acs.carrier import Carrier
from sandbox.acs.grid import Grid
from sandbox.acs.reports import Report, Style, segments, stamp
from sandbox.peer import Peer


class Events:
    """Turns what the carrier knows into events of the documented shape."""

    def __init__(self, peer: Peer, grid: Grid) -> None:
        self._peer = peer
        self._grid = grid
        self.style = Style()

    def report(self, report: Report) -> None:
        """A text was delivered or failed."""
        subject = f"/phonenumber/{digits(report.sender)}"
        self._grid.publish("SMSDeliveryReportReceived", report.message_id, subject, report.event(self.style))

    def inbound(self, carrier: Carrier, sender: str, to: str, text: str) -> str:
        """A phone texts one of our numbers: STOP and START first, then the event. Returns the message id."""
        carrier.inbound(sender, to, text)
        now = self._peer.now()
        key = f"Incoming_{now:%Y%m%d%H%M%S}{uuid.uuid4()}"
        data: dict[str, Any] = {
            "messageId": key, "from": digits(sender), "to": digits(to), "message": text,
            "receivedTimestamp": stamp(now), "segmentCount": segments(text),
        }  # fmt: skip
        self._peer.saw("inbound", sender=sender, to=to)
        self._grid.publish("SMSReceived", key, f"/phonenumber/{digits(to)}", data)
        return key
