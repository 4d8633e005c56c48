"""The folder to deploy: what is in it, how large it is, what its headers forbid; and the imitation of its host."""

import gzip
import json
import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from portal import vendor
from portal.release import HERE, Stamp, release
from sandbox.static_web_app import LARGEST_RULES, RULES, BadRules, Site, matches, read

STAMP = Stamp("https://visits.example.org/", "api-id", "page-id")
LARGEST = 200_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(STAMP, tmp_path_factory.mktemp("release") / "page")


def policy(made: Path) -> dict[str, set[str]]:
    told = json.loads((made / RULES).read_text())["globalHeaders"]["Content-Security-Policy"]
    return {name: set(sources) for name, *sources in (part.split() for part in told.split(";"))}


@pytest.mark.parametrize("language", ["en", "fr", "it", "es"])
def test_all_that_a_browser_loads_is_under_200_kb_gzipped(made: Path, language: str):
    """The page, its libraries and the words of one language, all steps together."""
    loaded = [path for path in files(made) if path.parent.name != "texts" or path.stem == language]
    sizes = {path.relative_to(made).as_posix(): len(gzip.compress(path.read_bytes())) for path in loaded}
    assert sum(sizes.values()) < LARGEST, sizes


def files(made: Path) -> list[Path]:
    return [path for path in made.rglob("*") if path.is_file()]


def test_nothing_but_the_page_is_released(made: Path):
    assert {path.suffix for path in files(made)} == {".html", ".css", ".js", ".json", ".svg", ".txt"}
    assert not [path for path in files(made) if path.name in {"package.json", "package-lock.json"}]


def test_a_release_tells_the_page_its_stamp_and_no_secret(made: Path):
    assert json.loads((made / "config.json").read_text()) == {
        "api": "https://visits.example.org",
        "authority": "https://login.microsoftonline.com/organizations/v2.0",
        "clientId": "page-id",
        "scope": "api://api-id/access_as_user",
    }


def test_the_page_may_connect_to_the_api_and_entra_only(made: Path):
    assert policy(made)["connect-src"] == {"'self'", "https://visits.example.org", "https://login.microsoftonline.com"}


def test_the_policy_allows_no_script_or_style_but_our_own_files(made: Path):
    found = policy(made)
    assert found["default-src"] == {"'none'"}
    assert found["script-src"] == found["style-src"] == {"'self'"}
    assert all(found[name] == {"'none'"} for name in ("frame-ancestors", "base-uri", "form-action", "object-src"))
    assert found["require-trusted-types-for"] == {"'script'"}


def test_the_other_headers_are_there(made: Path):
    headers = json.loads((made / RULES).read_text())["globalHeaders"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_the_page_holds_no_inline_script_style_or_handler(made: Path):
    page = (made / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:|https?://", page) == []


@pytest.mark.parametrize("api", ["http://visits.example.org", "https://a.example; script-src *", "visits.example.org"])
def test_an_address_that_is_none_is_refused(api: str, tmp_path: Path):
    with pytest.raises(ValueError, match="not an https address"):
        release(Stamp(api, "a", "b"), tmp_path / "page")


def test_the_lock_holds_digests_and_no_addresses():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert all(one.get("integrity", "").startswith("sha512-") for name, one in packages.items() if name)
    assert not any("resolved" in one for one in packages.values())


def test_a_person_without_a_choice_gets_the_browsers_colours():
    css = vendor.theme_css({"a": "#fff", "b": 1, "c": 2}, {"a": "#000", "b": 1, "c": 3}, {"a", "b"})
    dark = css.partition("prefers-color-scheme: dark")[2]
    assert "--a: #000;" in dark
    assert "--b" not in dark
    assert "--c" not in css
    assert 'not([data-theme="light"])' in dark


# --- the server ----------------------------------------------------------------------------------------------------


def site(folder: Path, rules: object) -> Site:
    (folder / "index.html").write_text("page")
    (folder / "a.js").write_text("script")
    (folder / RULES).write_text(rules if isinstance(rules, str) else json.dumps(rules))
    return Site(folder)


@pytest.mark.parametrize(
    "rules",
    [
        "{",
        [],
        {"headers": {}},
        {"platform": {"apiRuntime": "python:3.11"}},
        {"globalHeaders": {"X Y": "1"}},
        {"globalHeaders": {"X": 1}},
        {"globalHeaders": {"X": "a\nb"}},
        {"routes": [{"route": "/a*b"}]},
        {"routes": [{"route": "/a", "redirect": "/b", "rewrite": "/c"}]},
        {"routes": [{"path": "/a"}]},
        {"navigationFallback": {"rewrite": "/not-there.html"}},
        {"navigationFallback": {"rewrite": "/index.html", "exclude": ["js/*"]}},
        {"mimeTypes": {"js": "text/javascript"}},
        {"responseOverrides": {"418": {}}},
        {"globalHeaders": {"X": "a" * LARGEST_RULES}},
    ],
)
def test_rules_that_the_service_would_not_take_are_refused(rules: object, tmp_path: Path):
    with pytest.raises(BadRules):
        site(tmp_path, rules)


def test_the_released_rules_are_taken(made: Path):
    assert read(made).fallback == "/index.html"


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/js/*", "/js/a/b.js", True),
        ("/js/*", "/jsx", False),
        ("/*.{json,svg}", "/x.svg", True),
        ("/*.{json,svg}", "/x.png", False),
        ("/a", "/a", True),
        ("/a", "/a/b", False),
    ],
)
def test_a_wildcard_stands_at_the_end(pattern: str, path: str, fits: bool):
    assert matches(pattern, path) is fits


RULED = {
    "globalHeaders": {"X-All": "1", "X-Gone": "1"},
    "routes": [
        {"route": "/a.js", "headers": {"X-All": "2", "X-Gone": ""}},
        {"route": "/old/*", "redirect": "/", "statusCode": 301},
    ],
    "navigationFallback": {"rewrite": "/index.html", "exclude": ["/*.js"]},
    "mimeTypes": {".js": "text/javascript; charset=utf-8"},
}


@pytest.fixture
async def served(tmp_path: Path):
    async with TestClient(TestServer(site(tmp_path, RULED).app)) as client:
        yield client


async def test_a_routes_header_outdoes_the_global_one(served: TestClient):
    answer = await served.get("/a.js")
    assert (answer.headers["X-All"], "X-Gone" in answer.headers) == ("2", False)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_what_is_no_file_is_the_page_unless_it_is_excluded(served: TestClient):
    assert await (await served.get("/somewhere")).text() == "page"
    assert (await served.get("/missing.js")).status == 404


async def test_an_error_has_the_headers_too(served: TestClient):
    assert (await served.get("/missing.js")).headers["X-All"] == "1"


async def test_the_rules_themselves_and_other_folders_are_not_served(served: TestClient):
    assert (await served.get(f"/{RULES}")).headers.get("Content-Type") != "application/json"
    assert await (await served.get("/..%2f..%2fetc%2fpasswd")).text() == "page"


async def test_a_redirect_and_a_known_tag_send_no_body(served: TestClient):
    moved = await served.get("/old/x", allow_redirects=False)
    assert (moved.status, moved.headers["Location"]) == (301, "/")
    tag = (await served.get("/")).headers["ETag"]
    assert (await served.get("/", headers={"If-None-Match": tag})).status == 304


async def test_nothing_can_be_posted(served: TestClient):
    assert (await served.post("/")).status == 405
