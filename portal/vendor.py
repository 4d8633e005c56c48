"""`python -m portal.vendor`: the page's libraries, as package-lock.json pins them, into portal/vendor/.

    fluent.js         Fluent UI web components: one module without imports, it registers its elements
    oidc-client.js    oidc-client-ts: a plain script, it sets `oidc`
    theme.css         those values of Fluent's web themes that the page and Fluent use, as custom properties: light, and
                      dark by the browser's or the person's choice
    licences.txt      what their makers ask to be passed on

npm checks what it downloads against the lock's integrity; nothing is changed but theme.css, which is written from
the values of @fluentui/tokens.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox import node

HERE = Path(__file__).parent
VENDOR = HERE / "vendor"
_MODULES = HERE / "node_modules"
_COPIED = {
    "fluent.js": "@fluentui/web-components/dist/web-components.min.js",
    "oidc-client.js": "oidc-client-ts/dist/browser/oidc-client-ts.min.js",
}
_LICENSED = ("@fluentui/tokens", "@fluentui/web-components", "oidc-client-ts", "jwt-decode")
_TELL_THEMES = """
const { webLightTheme, webDarkTheme } = require("@fluentui/tokens");
process.stdout.write(JSON.stringify({ light: webLightTheme, dark: webDarkTheme }));
"""

type Theme = dict[str, str | int]


def make(vendor: Path = VENDOR) -> Path:
    """Install what the lock pins and lay out the folder. Raises node.NodeFailed."""
    node.ensure(HERE)
    vendor.mkdir(exist_ok=True)
    for name, source in _COPIED.items():
        shutil.copyfile(_MODULES / source, vendor / name)
    (vendor / "theme.css").write_text(theme_css(*_themes(), _used(vendor)))
    (vendor / "licences.txt").write_text("\n\n".join(_licence(name) for name in _LICENSED))
    return vendor


def theme_css(light: Theme, dark: Theme, used: set[str]) -> str:
    """Both themes: the browser's choice, unless the person made one (`data-theme` of the page)."""
    light = {name: value for name, value in light.items() if name in used}
    darker = _properties({name: dark[name] for name in light if dark[name] != light[name]})
    return "\n".join(
        [
            f":root {{ color-scheme: light; {_properties(light)} }}",
            f':root[data-theme="dark"] {{ color-scheme: dark; {darker} }}',
            "@media (prefers-color-scheme: dark) {",
            f':root:not([data-theme="light"]) {{ color-scheme: dark; {darker} }}',
            "}\n",
        ]
    )


def _used(vendor: Path) -> set[str]:
    """Every name that may be a value of the theme."""
    readers = [vendor / "fluent.js", *(HERE / "css").glob("*.css")]
    return {name for path in readers for name in re.findall(r"--(\w+)", path.read_text())}


def _properties(theme: Theme) -> str:
    return " ".join(f"--{name}: {value};" for name, value in theme.items())


def _themes() -> tuple[Theme, Theme]:
    done = subprocess.run(  # noqa: S603 - our own script, no shell
        [node.binary(), "-e", _TELL_THEMES], cwd=HERE, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    return told["light"], told["dark"]


def _licence(name: str) -> str:
    """The licence file of a package, or what its package.json says when it brings none."""
    folder = _MODULES / name
    found = next((path for path in sorted(folder.iterdir()) if path.stem.upper() in {"LICENSE", "LICENCE"}), None)
    said = json.loads((folder / "package.json").read_text())
    head = f"{name} {said['version']} ({said['license']})"
    return f"{head}\n\n{found.read_text()}" if found else head


def main() -> int:
    """0, or 1 with npm's words."""
    try:
        made = make()
    except node.NodeFailed as error:
        sys.stderr.write(f"portal: {error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
