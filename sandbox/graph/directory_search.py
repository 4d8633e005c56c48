r"""$search over directory objects, as Graph documents it ("Using $search on directory object collections").

    "displayName:ann" OR "userPrincipalName:ann"

Each clause stands in double quotes; a double quote or backslash within is escaped by a backslash, and nothing else
may be. AND and OR are upper case, outside the quotes. The name is compared word by word, whatever their order and
case; every other property from its beginning. Parentheses are refused here, though Graph has them.
"""

import re

from sandbox.graph.refusal import Refusal, bad_request

PROPERTIES = ("displayName", "userPrincipalName", "mail")
CLAUSE = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
OPERATOR = re.compile(r" (AND|OR) ")
#: Words, numbers and symbols; a capital after a small letter begins another word.
TOKEN = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")

type Clause = tuple[str, str]
#: Any of these groups must fit, all of its clauses: AND binds closer.
type Search = list[list[Clause]]


def parsed(text: str) -> Search:
    """The search in a $search option. Raises `Refusal`."""
    clause, position = _clause(text, 0)
    found = [[clause]]
    while position < len(text):
        operator = OPERATOR.match(text, position)
        if operator is None:
            raise _wrong()
        clause, position = _clause(text, operator.end())
        if operator[1] == "OR":
            found.append([clause])
        else:
            found[-1].append(clause)
    return found


def fits(search: Search, person: dict[str, str]) -> bool:
    """The person is one of those searched for."""
    return any(all(_fits(name, text, person[name]) for name, text in group) for group in search)


def tokens(text: str) -> list[str]:
    """The parts into which Graph splits a name, in lower case."""
    return [token.lower() for word in HUMP.split(text) for token in TOKEN.findall(word)]


def _fits(name: str, text: str, value: str) -> bool:
    if name != "displayName":
        return value.lower().startswith(text.lower())
    there = tokens(value)
    wanted = tokens(text)
    return bool(wanted) and all(any(one.startswith(token) for one in there) for token in wanted)


def _clause(text: str, position: int) -> tuple[Clause, int]:
    """The clause that begins here, and where it ends."""
    quoted = CLAUSE.match(text, position)
    if quoted is None:
        raise _wrong()
    name, _, value = re.sub(r"\\(.)", r"\1", quoted[1]).partition(":")
    if name not in PROPERTIES or not value:
        raise _wrong()
    return (name, value), quoted.end()


def _wrong() -> Refusal:
    return bad_request('Syntax error in $search: clauses like "displayName:text", joined by AND or OR.')
