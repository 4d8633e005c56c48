"""The people picker: who of the caller's own tenant is meant."""

from typing import Annotated

import azure.functions as func
from pydantic import Field

from shared.api import BOTH, Call, operation
from shared.bootstrap import deps
from shared.clients.directory import Found
from shared.domain.model import Model
from shared.workflows import people

bp = func.Blueprint()


class Searched(Model):
    """What was typed so far: the beginning of a word of the name, or of the principal name."""

    search: Annotated[
        str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
    ]


class Person(Model):
    """A user of the tenant."""

    oid: str
    display_name: str
    upn: str


class People(Model):
    """Ten at most."""

    items: tuple[Person, ...]


@operation(bp, "GET", "config/people", roles=BOTH)
async def find_people(call: Call, query: Searched) -> People:
    """People of the caller's tenant whose name or principal name begins like this."""
    found = await people.search(query.search.strip(), call.who, deps())
    return People(items=tuple(map(_person, found)))


@operation(bp, "GET", "config/people/{oid:guid}", roles=BOTH)
async def show_person(call: Call) -> Person:
    """Who an object id of the caller's tenant is."""
    return _person(await people.read(call.path["oid"].lower(), call.who, deps()))


def _person(found: Found) -> Person:
    return Person(oid=found.oid, display_name=found.name, upn=found.upn)
