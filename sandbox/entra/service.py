"""The stand-in as a whole: its parts and their routes."""

from sandbox import plan, world
from sandbox.entra.client_proof import ClientProof
from sandbox.entra.codes import Codes
from sandbox.entra.consent import Consent
from sandbox.entra.control import Control
from sandbox.entra.directory import Directory
from sandbox.entra.discovery import Discovery
from sandbox.entra.keys import KeyRing
from sandbox.entra.managed_identity import ManagedIdentity
from sandbox.entra.refusals import answering
from sandbox.entra.sign_in import SignIn
from sandbox.entra.token_endpoint import TokenEndpoint
from sandbox.entra.tokens import Tokens
from sandbox.peer import Peer


class Entra(Peer):
    """Microsoft Entra ID, for the sandbox's tenants."""

    def __init__(self, layout: plan.Plan) -> None:
        super().__init__("entra", layout)
        registered, codes, keys = Directory(layout), Codes(), KeyRing()
        tokens = Tokens(self.url, keys)
        proof = ClientProof(keys, tokens.issuer(world.OPERATOR_TENANT, 2))
        parts = (
            Control(self, registered, tokens),
            Discovery(self, tokens),
            ManagedIdentity(self, tokens),
            SignIn(self, registered, codes),
            TokenEndpoint(self, registered, codes, tokens, proof),
            Consent(self, registered),
        )
        self.app.middlewares.append(answering(self.saw))
        for part in parts:
            self.app.add_routes(part.routes())
