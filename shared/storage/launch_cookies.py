"""What a browser carries for us rests sealed in it, as rows do in tables, bound to the name of its cookie."""

from pydantic import BaseModel, ValidationError

from shared.errors import Broken
from shared.storage.sealing import KeyRing

_PLACE = "cookie"


class LaunchCookies:
    """Seals models into cookie values, and opens them."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def seal(self, name: str, content: BaseModel) -> str:
        """A value for the cookie of this name. Without padding: hosts encode `=`, and browsers send that back."""
        return self._ring.seal(content.model_dump_json(), _PLACE, name).rstrip("=")

    def open[M: BaseModel](self, name: str, value: str | None, model: type[M]) -> M | None:
        """What was sealed for this name; None for a value that is missing, spoilt, or another cookie's."""
        payload = (value or "").partition(".")[2]
        try:
            return model.model_validate_json(self._ring.open(f"{value}{'=' * (-len(payload) % 4)}", _PLACE, name))
        except (Broken, ValidationError):
            return None
