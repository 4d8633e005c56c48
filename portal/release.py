"""`python -m portal.release`: a folder to deploy on Static Web Apps, for one stamp and one Entra cloud.

    python -m portal.release --api https://visits.example.org --api-id ID --client-id ID --out build/portal
                             [--authority https://login.microsoftonline.com/organizations/v2.0]

It holds the page, its libraries, config.json (what the page must know of this stamp; nothing secret) and
staticwebapp.config.json with the addresses that the page may connect to.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from portal import vendor
from sandbox.node import NodeFailed

HERE = Path(__file__).parent
#: What a browser loads; everything else here is for us.
PAGE = ("index.html", "favicon.svg", "css", "js", "texts", "vendor")
RULES = "staticwebapp.config.json"
#: People of any organisation, and none with a private account.
EVERY_ORGANISATION = "https://login.microsoftonline.com/organizations/v2.0"
SCOPE = "access_as_user"


@dataclass(frozen=True)
class Stamp:
    """What the page of one stamp must know.

    api        address of the main app
    api_id     client id of the API's registration
    authority  Entra, with the tenant or `organizations`
    client_id  the page's own registration
    """

    api: str
    api_id: str
    client_id: str
    authority: str = EVERY_ORGANISATION


def release(stamp: Stamp, out: Path) -> Path:
    """Lay the folder out anew. Raises node.NodeFailed, ValueError for an address that is none."""
    sources = {origin(stamp.api), origin(stamp.authority)}
    vendor.make()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in PAGE:
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copyfile
        copy(HERE / name, out / name)
    (out / "config.json").write_text(json.dumps(_config(stamp), indent=2))
    (out / RULES).write_text((HERE / RULES).read_text().replace("{connect}", " ".join(sorted(sources))))
    return out


def origin(url: str) -> str:
    """The origin of an https address. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or set(parts.netloc) & set(" ;,'\"*"):
        raise ValueError(f"not an https address: {url}")
    return f"https://{parts.netloc}"


def _config(stamp: Stamp) -> dict[str, str]:
    return {
        "api": origin(stamp.api),
        "authority": stamp.authority,
        "clientId": stamp.client_id,
        "scope": f"api://{stamp.api_id}/{SCOPE}",
    }


def main() -> int:
    """0, or 1 with one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m portal.release", description="Make a folder to deploy")
    parser.add_argument("--api", required=True, help="address of the main app")
    parser.add_argument("--api-id", required=True, help="client id of the API's registration in Entra")
    parser.add_argument("--client-id", required=True, help="client id of the portal's registration in Entra")
    parser.add_argument("--authority", default=EVERY_ORGANISATION, help="where people sign in")
    parser.add_argument("--out", required=True, type=Path, help="folder to make; what is in it goes")
    given = parser.parse_args()
    try:
        made = release(Stamp(given.api, given.api_id, given.client_id, given.authority), given.out)
    except (NodeFailed, ValueError) as error:
        sys.stderr.write(f"portal: {error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
