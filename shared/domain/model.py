"""What every value that is stored, sent or shown is made of."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Frozen, and strict about members it does not know. What was refused is not quoted: it may be a patient's."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
