"""`python -m sandbox.front`: what App Service puts in front of the `hl7` app (clientCertMode Required).

It lets in whoever proves to hold the key of *any* certificate, hands the certificate on in X-ARR-ClientCert and
judges nothing: expired, self-signed and unknown ones pass, since judging is the app's. Without one: 403. Python's
ssl cannot do that (it ends the handshake for a certificate outside its CA), so it runs on Node.
Prints `READY front <port> pid <pid>`.
"""

import ssl
import sys

from sandbox import node, plan
from sandbox.node import child
from sandbox.peer import client_tls

SCRIPT = node.HERE.parent / "front.mjs"


def main() -> int:
    """0 after SIGTERM; 1 with one line on stderr otherwise."""
    world = plan.load()
    port = world.ports["hl7"]
    arguments = [str(port), world.urls["hl7_host"], world.files["server_cert"], world.files["server_key"]]
    tls = _any_name(client_tls(world))
    return child.run("front", [str(SCRIPT), *arguments], {"hl7": port}, lambda: child.answers(port, tls))


def _any_name(tls: ssl.SSLContext) -> ssl.SSLContext:
    """The certificate is for localhost, and the question goes to 127.0.0.1."""
    tls.check_hostname = False
    return tls


if __name__ == "__main__":
    sys.exit(main())
