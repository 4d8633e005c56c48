"""Instants as Graph writes and reads them."""

from datetime import UTC, datetime

from sandbox.graph.refusal import bad_request


def text(when: datetime) -> str:
    """UTC with seven decimals: 2026-02-06T01:49:21.3524940Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def instant(value: object, name: str) -> datetime:
    """An ISO 8601 instant with its offset; anything else is refused under the property's name."""
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise bad_request(f"{name} must be an ISO 8601 date and time with an offset.")
    return when.astimezone(UTC)
