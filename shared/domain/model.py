"""What every value that is stored, sent or shown is made of."""

import hashlib

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and strict about members it does not know. What was refused is not quoted: it may be a patient's."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def tag(self) -> str:
        """Follows from what it says: who read the same may change it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]
