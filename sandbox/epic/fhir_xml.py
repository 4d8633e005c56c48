"""FHIR's XML form of a resource, which Epic answers unless Accept asks for JSON (1.4)."""

from typing import Any
from xml.etree import ElementTree as ET

from aiohttp import web

NAMESPACE = "http://hl7.org/fhir"


def answer(
    request: web.Request, resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """The resource in the form the caller asked for."""
    if "json" in request.headers.get("Accept", ""):
        return web.json_response(resource, status=status, headers=headers, content_type="application/fhir+json")
    return web.Response(
        body=xml(resource), status=status, headers=headers, content_type="application/fhir+xml", charset="utf-8"
    )


def xml(resource: dict[str, Any]) -> bytes:
    """A resource as bytes of XML."""
    return bytes(ET.tostring(_resource(resource, root=True), encoding="utf-8", xml_declaration=True))


def _resource(resource: dict[str, Any], *, root: bool) -> ET.Element:
    element = ET.Element(resource["resourceType"], {"xmlns": NAMESPACE} if root else {})
    _members(element, {name: value for name, value in resource.items() if name != "resourceType"})
    return element


def _members(parent: ET.Element, members: dict[str, Any]) -> None:
    for name, value in members.items():
        for one in value if isinstance(value, list) else [value]:
            if name == "url" and parent.tag == "extension":
                parent.set("url", one)
            else:
                parent.append(_element(name, one))


def _element(name: str, value: Any) -> ET.Element:
    if not isinstance(value, dict):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return ET.Element(name, {"value": text})
    element = ET.Element(name)
    if "resourceType" in value:
        element.append(_resource(value, root=False))
    else:
        _members(element, value)
    return element
