"""What the control interface can change about the stand-in's behaviour."""

from dataclasses import dataclass, fields
from typing import Any

from sandbox.graph.refusal import bad_request


@dataclass
class Settings:
    """Limits, delays and the casing of roster events.

    meetings_per_month   creations per organiser and month (microsoft-apis.md section 1)
    subscription_quota   subscriptions per app and tenant before 403; the real number is not published
    report_minutes       from the end of a call to its attendance report, on the sandbox clock
    call_record_minutes  from the end of a call to its call record, on the sandbox clock
    casing               of decrypted roster events: "pascal" as seen live, "camel" as documented
    token_version        1 or 2: the format of validationTokens (client in `appid` or in `azp`)
    handshake_seconds    how long an address has to answer the handshake
    retry_seconds        how long a notification is tried again; Graph itself tries for four hours
    join_site            where the addresses of new meetings point, as no Graph's should; empty: at our own page
    """

    meetings_per_month: int = 2000
    subscription_quota: int = 1000
    report_minutes: float = 5.0
    call_record_minutes: float = 15.0
    casing: str = "pascal"
    token_version: int = 2
    handshake_seconds: float = 10.0
    retry_seconds: float = 60.0
    join_site: str = ""

    def change(self, wanted: dict[str, Any]) -> None:
        """Take new values; a name or type that does not fit changes nothing."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in wanted.items():
            if name not in kinds or not isinstance(value, (int, float) if kinds[name] is float else kinds[name]):
                raise bad_request(f"No setting '{name}' of that type.")
        if wanted.get("casing", self.casing) not in ("pascal", "camel"):
            raise bad_request("casing is pascal or camel.")
        if wanted.get("token_version", self.token_version) not in (1, 2):
            raise bad_request("token_version is 1 or 2.")
        for name, value in wanted.items():
            setattr(self, name, value)
