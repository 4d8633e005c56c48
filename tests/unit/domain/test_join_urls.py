"""Where a launch may end: the address that Graph gave a meeting is a redirect of ours."""

import pytest

from shared.domain.visit import may_send_to

MORE = frozenset({"127.0.0.1:7865"})


@pytest.mark.parametrize(
    "url",
    [
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d",
        "https://Teams.Microsoft.com/meet/1?p=x",
        "https://gov.teams.microsoft.us/l/meetup-join/x",
        "https://127.0.0.1:7865/teams/1",
    ],
)
def test_teams_is_where_people_are_sent(url: str):
    assert may_send_to(url, MORE)


@pytest.mark.parametrize(
    "url",
    [
        "http://teams.microsoft.com/x",
        "https://evil.example/teams.microsoft.com",
        "https://teams.microsoft.com.evil.example/x",
        "https://teams.microsoft.com@evil.example/x",
        "https://u:p@teams.microsoft.com/x",
        # a browser reads a backslash as a slash: these go to evil.example
        "https://evil.example\\@teams.microsoft.com/x",
        "https:\\\\evil.example\\@teams.microsoft.com/x",
        "https://teams.microsoft.com:8443/x",
        "https://127.0.0.1:7866/x",
        "https://teams.microsoft.com/x\r\nSet-Cookie: a=b",
        "https://teams\u3002microsoft.com/x",
        "javascript://teams.microsoft.com/%0aalert(1)",
        "//teams.microsoft.com/x",
        "",
    ],
)
def test_nobody_is_sent_anywhere_else(url: str):
    assert not may_send_to(url, MORE)
