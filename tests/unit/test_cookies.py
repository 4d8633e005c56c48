"""Cookies of a launch, as a browser gets and returns them."""

from datetime import timedelta

import azure.functions as func
import pytest

from shared.cookies import carried, cookie, gone, named, spent

NAME = named("l", "abcdefgh")
STATE = "abcdefgh" + "x" * 24


def request(cookies: str = "", **params: str) -> func.HttpRequest:
    headers = {"Cookie": cookies} if cookies else {}
    return func.HttpRequest("GET", "https://connector.example/", headers=headers, params=params, body=b"")


def test_a_cookie_is_for_this_host_only_and_never_for_a_script():
    said = cookie(NAME, "k1.abc", timedelta(minutes=10)).OutputString()
    assert said.startswith("__Host-l-abcdefgh=k1.abc; ")
    attributes = {part.strip().lower() for part in said.split(";")[1:]}
    assert attributes == {"path=/", "max-age=600", "secure", "httponly", "samesite=lax"}


def test_a_cookie_to_forget_ends_at_once():
    assert "max-age=0" in gone(NAME).OutputString().lower()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("", None),
        (f"{NAME}=v", "v"),
        (f"other=1; {NAME}=v; more=2", "v"),
        (f'bad"cookie=x;{NAME}=v', "v"),
        (f"{NAME}x=v", None),
        (f"{NAME}", ""),
        (f"{NAME}=a=b", "a=b"),
        (f"{NAME}=first; {NAME}=second", "first"),
    ],
)
def test_a_cookie_is_found_whatever_stands_beside_it(header: str, value: str | None):
    assert carried(request(header), NAME) == value


@pytest.mark.parametrize(("state", "cookies", "cleared"), [(STATE, f"{NAME}=v", True), (STATE, "", False),
                                                           ("", f"{NAME}=v", False)])  # fmt: skip
async def test_a_return_takes_the_cookie_of_its_state_away(state: str, cookies: str, cleared: bool):
    @spent("l")
    async def route(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("x")

    response = await route(request(cookies, state=state))
    assert ("Set-Cookie" in response.headers) is cleared
