"""Everything that preflight, discovery and launch test can find: state, sentences, who mends it, ids.

An id is never reused; the page has the same sentences in each language. A test compares this with the places that
use it, and docs/troubleshooting.md with what the running checks said.
"""

from collections.abc import Mapping

from shared.domain.preflight import Entry, Finding, Who, finding

_EPIC_TEAM: Who = "epic-team"

#: Any link: how a call ended that said nothing about the hospital's settings.
_CALLS = {
    "needs": Entry("skipped", "Not tried, because it needs the link {link}.", "Mend {link} first."),
    "address-refused": Entry(
        "failed",
        "The connector may not call this address ({part}): it is no public https address.",
        "Use the public https address, or ask the operator to allow the network it stands in.",
        "operator",
        ("F2.10",),
    ),
    "away": Entry(
        "failed",
        "{peer} did not answer, or answered that it is busy.",
        "Try again; if it stays so, ask those who run {peer}.",
        "operator",
    ),
    "too-slow": Entry(
        "failed",
        "No answer within {seconds} seconds.",
        "Try again; if it stays so, ask those who run the other side.",
        "operator",
    ),
    "refused": Entry("failed", "The connector refused it: {code} {fields}.", "Correct the settings.", "administrator"),
    "unexpected": Entry(
        "failed",
        "Something unexpected happened in the connector at {place}.",
        "Send this line to the operator of the connector.",
        "operator",
    ),
}

_CONNECTION = {
    "serving": Entry("ok", "The connection is approved and serves: revision {revision}."),
    "serving-not-approved": Entry(
        "warning",
        "This revision has not been approved, so it serves no launch yet.",
        "Have the approver sign in to Epic and approve it.",
        "approver",
        ("F3.4", "F14.7"),
    ),
    "serving-suspended": Entry(
        "failed",
        "The connection is suspended: launches, messages and texts are refused.",
        "Resume the connection.",
        "administrator",
        ("F14.7",),
    ),
    "entitled": Entry("ok", "The organisation may use the {environment} environment."),
    "entitlement-missing": Entry(
        "failed",
        "The organisation is not entitled to the production environment.",
        "Ask the operator to let the organisation in there.",
        "operator",
        ("F13.1", "F14.6"),
    ),
}


def _corrected(mistake: str) -> Entry:
    found = f"{mistake}; {{suggestion}} was tried and works."
    return Entry("failed", found, "Use the corrected address.", "administrator", ("F2.10", "F14.1"))


_DISCOVERY = {
    "discovery": Entry(
        "ok",
        "{host} answers as a FHIR server of version {version} with SMART launch.",
        ids=("F2.10", "F2.12"),
    ),
    "discovery-not-fhir": Entry(
        "failed",
        "{host} answers, but is no FHIR server with SMART launch at this address (HTTP {status}).",
        "Enter the full FHIR base URL that the Epic specialist gave you, with its version part such as /api/FHIR/R4.",
        "administrator",
        ("F2.10", "F14.1"),
    ),
    "discovery-not-r4": Entry(
        "failed",
        "The FHIR server at {host} speaks version {version}; the connector needs R4.",
        "Enter the base URL that ends in R4.",
        "administrator",
        ("F2.10", "F14.1"),
    ),
    "discovery-suffix-differs": Entry(
        "warning",
        "The address ends in {suffix}, and the server says that it speaks version {version}.",
        "Ask the Epic specialist for the R4 base URL.",
        _EPIC_TEAM,
        ("F2.10", "F14.1"),
    ),
    "discovery-no-pkce": Entry(
        "warning",
        "Epic does not announce PKCE with S256.",
        "Ask the Epic specialist whether this Epic is older than August 2019; if so, switch PKCE off under Advanced.",
        _EPIC_TEAM,
        ("F2.12",),
    ),
    "discovery-no-key-authentication": Entry(
        "warning",
        "Epic does not announce private_key_jwt for its token endpoint.",
        "Ask the Epic specialist whether this Epic takes signed assertions; if not, use client secrets.",
        _EPIC_TEAM,
        ("F2.12",),
    ),
    "discovery-no-keys": Entry(
        "failed",
        "Epic publishes no keys for its id tokens, so nobody who launches could be believed.",
        "Ask the Epic specialist to publish the OpenID keys (jwks_uri).",
        _EPIC_TEAM,
        ("F2.12",),
    ),
    "discovery-client-unknown": Entry(
        "failed",
        "Epic answers, but not to the client id {client}.",
        "Compare the client id with Epic's app record; a new app is known to Epic about 12 hours later.",
        _EPIC_TEAM,
        ("F14.2", "F14.4"),
    ),
    "discovery-client": Entry("ok", "Epic answers to the client id {client}."),
    "url-unreadable": Entry(
        "failed",
        "This is no https address of a FHIR server.",
        "Enter the FHIR base URL that the Epic specialist gave you.",
        "administrator",
        ("F2.10", "F14.1"),
    ),
    "url-scheme": _corrected("The address must begin with https://"),
    "url-query": _corrected("The address must end before ? and #"),
    "url-metadata": _corrected("This is the address of a document about the server, not its base"),
    "url-sign-in-address": _corrected("This is the address for signing in, not the FHIR base"),
    "url-trailing-path": _corrected("Something stands behind the version part"),
    "url-version-missing": _corrected("The FHIR part or the version part is missing"),
    "url-version-old": _corrected("This is the address for an older FHIR version"),
    "url-version-case": _corrected("The version part is written in capitals"),
    "url-taken-here": Entry(
        "failed",
        "Your connection {connection} ({environment}) has this address already.",
        "Change that connection instead of adding another.",
        "administrator",
        ("F2.3",),
    ),
    "url-other-environment": Entry(
        "failed",
        "Your connection {connection} has this address under {environment}.",
        "One address belongs to one environment: ask the Epic specialist which, and for the other one's address.",
        "administrator",
        ("F2.12", "F14.5", "F14.7"),
    ),
    "url-taken": Entry(
        "failed",
        "Another organisation has this address.",
        "Ask the operator of the connector, and the Epic specialist, whose it is.",
        "operator",
        ("F2.12",),
    ),
    "url-same-server": Entry(
        "warning",
        "Your connection {connection} has the same server under {environment}.",
        "Ask the Epic specialist for the address of this environment's own server.",
        "administrator",
        ("F2.12", "F14.7"),
    ),
    "url-looks-other": Entry(
        "warning",
        "The address looks like one of the other environment ({word}).",
        "Ask the Epic specialist whether it is the {environment} server.",
        "administrator",
        ("F2.12", "F14.7"),
    ),
}

_APPS = {
    "app": Entry(
        "ok",
        "Epic shows its sign-in page to the {app} app: it knows the client id and our return address.",
        ids=("F7.1", "F8.1"),
    ),
    "app-refused": Entry(
        "failed",
        "Epic refuses the {app} app (HTTP {status}): it does not know the client id or our return address.",
        "Compare client id and redirect URI {redirect_uri} with Epic's app record; a new app is known about 12 hours "
        "later.",
        _EPIC_TEAM,
        ("F14.2", "F14.4"),
    ),
    "app-error": Entry(
        "failed",
        "Epic knows the {app} app and refuses what it asks for: {error}.",
        "Give the app record the scopes and user types of the set-up guide, and PKCE as set here.",
        _EPIC_TEAM,
        ("F14.2", "F14.4"),
    ),
    "app-unclear": Entry(
        "warning",
        "Epic answered the {app} app with HTTP {status} and no sign-in page that we recognise.",
        "Launch once from Epic to be sure.",
        _EPIC_TEAM,
    ),
}

_KEYS = {
    "keys": Entry(
        "ok",
        "Our keys are published at {url}, the signing key {kid} among them. That Epic reads them is shown by "
        "backend-token.",
        ids=("F1.1",),
    ),
    "keys-missing": Entry(
        "failed",
        "The connector has no signing key for the {environment} environment.",
        "Add a signing key to the settings of the connector.",
        "operator",
        ("F1.1", "F14.2"),
    ),
    "keys-unreachable": Entry(
        "failed",
        "Our own key address {url} does not answer with our keys.",
        "Check PUBLIC_URL and that it is reachable from the internet.",
        "operator",
        ("F1.1", "F14.2"),
    ),
    "keys-other": Entry(
        "failed",
        "What {url} publishes lacks our signing key {kid}.",
        "Check that PUBLIC_URL is the address of this very stamp.",
        "operator",
        ("F1.1", "F14.2"),
    ),
}

_BACKEND = {
    "backend-token": Entry(
        "ok", "Epic issued a token to our signed assertion, so it has read our keys.", ids=("F1.1", "F14.2")
    ),
    "backend-token-by-secret": Entry("ok", "Epic issued a token to our client secret.", ids=("F14.2",)),
    "backend-token-invalid-client": Entry(
        "failed",
        "Epic does not take our proof for the backend app ({error}).",
        "Register {jwks} as the JWK Set URL of the backend app, map the app to an Epic user, and wait up to 12 hours "
        "for Epic to sync it.",
        _EPIC_TEAM,
        ("F1.1", "F14.2"),
    ),
    "backend-token-refused": Entry(
        "failed",
        "Epic refuses a token to the backend app: {error}.",
        "Allow the client credentials grant on the backend app record.",
        _EPIC_TEAM,
        ("F14.2",),
    ),
    "backend-secret-missing": Entry(
        "failed",
        "No client secret of the backend app was given for this server.",
        "Enter the secret that Epic's registration showed.",
        "administrator",
        ("F14.2",),
    ),
    "fhir-read": Entry("ok", "Epic let us read: it looked for an invented appointment and has none."),
    "fhir-read-scope": Entry(
        "failed",
        "Epic does not let the backend app read appointments (insufficient_scope).",
        "Add the incoming API Appointment.Read (R4) to the backend app record.",
        _EPIC_TEAM,
        ("F14.2",),
    ),
    "fhir-read-user": Entry(
        "failed",
        "Epic lets the app in, but not the Epic user behind it (code {codes}).",
        "Give the Epic user that the backend app is mapped to the security to read appointments.",
        _EPIC_TEAM,
        ("F14.3",),
    ),
    "fhir-read-token": Entry(
        "failed",
        "Epic's FHIR server does not take the token that Epic issued.",
        "Ask the Epic specialist whether FHIR base URL and token endpoint are of the same environment.",
        _EPIC_TEAM,
        ("F14.5", "F14.7"),
    ),
    "fhir-read-unclear": Entry(
        "warning",
        "Epic answered the read with HTTP {status} {codes}, which shows neither yes nor no.",
        "Ask the Epic specialist what it means.",
        _EPIC_TEAM,
    ),
}

_WRITE_BACK = {
    "write-back": Entry(
        "ok",
        "Epic let us in at {host} and refused the invented visit ({code}), as it should. That a real visit shows on "
        "the schedule is not shown.",
        ids=("F10.1", "F10.3"),
    ),
    "write-back-log-only": Entry("skipped", "Presence is only logged: Epic is told nothing.", ids=("F10.3",)),
    "write-back-taken": Entry(
        "warning",
        "Epic took a status for a visit that does not exist, so a wrong visit id would go unnoticed.",
        "Watch the first real visit on the schedule.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-not-let-in": Entry(
        "failed",
        "Epic does not take our {proof} at the write-back address.",
        "Compare the account, or the backend app, with Epic's.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-scope": Entry(
        "failed",
        "The backend app may not call SetExternalConnectionStatus (insufficient_scope).",
        "Add SetExternalConnectionStatus to the incoming APIs of the backend app record.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-client": Entry(
        "failed",
        "Epic does not know the Epic-Client-ID we send to the write-back address ({code}).",
        "Compare the backend app's client id with Epic's app record.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-no-account": Entry(
        "failed",
        "No account was given for write-back by Basic.",
        "Enter user and password that Epic's security team made.",
        "administrator",
        ("F10.3",),
    ),
    "write-back-no-address": Entry(
        "failed",
        "Nothing is at the write-back address (HTTP {status}).",
        "Ask the Epic specialist for the address of SetExternalConnectionStatus.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-unclear": Entry(
        "warning",
        "Epic answered the write-back with HTTP {status} and no command code.",
        "Ask the Epic specialist what it means.",
        _EPIC_TEAM,
        ("F10.3",),
    ),
    "write-back-not-approved": Entry(
        "skipped",
        "The write-back address is on another host than Epic's, so it is shown no token before approval.",
        "Have the revision approved, then run this again.",
        "approver",
        ("F10.3",),
    ),
}

_GRAPH = {
    "graph-token": Entry(
        "ok", "Microsoft Entra issued us a token for Microsoft Graph in your tenant; our certificate ends {ends}."
    ),
    "graph-token-no-consent": Entry(
        "failed",
        "Your tenant has not consented to the connector (Entra code {code}).",
        "Grant admin consent on the connector's page.",
        "administrator",
        ("F1.8",),
    ),
    "graph-token-refused": Entry(
        "failed",
        "Microsoft Entra refuses us a token (code {code}).",
        "Check the connector's certificate in its app registration.",
        "operator",
    ),
    "graph-certificate-ends": Entry(
        "warning",
        "The certificate that proves the connector to Microsoft Entra ends {ends}.",
        "Add a new certificate to the app registration and to the settings.",
        "operator",
    ),
    "graph-permission": Entry(
        "failed",
        "Microsoft Graph says that a permission is missing ({code}).",
        "Grant admin consent again, with all permissions of the set-up guide.",
        "administrator",
        ("F1.8",),
    ),
    "graph-refused": Entry(
        "failed",
        "Microsoft Graph refused it: HTTP {status}, {code}.",
        "Look the code up in Microsoft Graph's documentation, or ask the operator.",
        "administrator",
    ),
    "approver": Entry("ok", "The approver's account exists and is enabled.", ids=("F2.7",)),
    "approver-unknown": Entry(
        "failed", "The approver is no account of your tenant.", "Choose another approver.", "administrator", ("F2.7",)
    ),
    "approver-disabled": Entry(
        "failed",
        "The approver's account is disabled.",
        "Enable the account or choose another approver.",
        "administrator",
        ("F2.7",),
    ),
    "organiser": Entry(
        "ok",
        "The account has Teams, and the connector made a meeting for it and removed it again.",
        ids=("F1.6",),
    ),
    "organiser-left": Entry(
        "warning",
        "The connector made a meeting for the account and could not remove it; it expires by itself.",
        "Nothing: nobody knows its address.",
        None,
        ("F1.6",),
    ),
    "organiser-none": Entry(
        "failed",
        "No account is in the organiser pool, so no meeting can be made.",
        "Add at least one account licensed for Teams to the pool.",
        "administrator",
        ("F1.6",),
    ),
    "organiser-unknown": Entry(
        "failed",
        "This organiser is no account of your tenant.",
        "Take it out of the pool, or choose another.",
        "administrator",
        ("F1.6",),
    ),
    "organiser-disabled": Entry(
        "failed",
        "The organiser's account is disabled.",
        "Enable the account, or take it out of the pool.",
        "administrator",
        ("F1.6",),
    ),
    "organiser-no-licence": Entry(
        "failed",
        "The organiser's account has no licence with Microsoft Teams.",
        "Assign a licence with Teams to the account.",
        "administrator",
        ("F1.6",),
    ),
    "organiser-no-policy": Entry(
        "failed",
        "No application access policy lets the connector make meetings for this account.",
        "Run New-CsApplicationAccessPolicy and Grant-CsApplicationAccessPolicy for the account with app id {app}; it "
        "takes up to 30 minutes.",
        "administrator",
        ("F1.6",),
    ),
    "organiser-full": Entry(
        "failed",
        "All accounts of the pool have had their meetings of this month.",
        "Add an account to the pool.",
        "administrator",
    ),
    "notifications": Entry(
        "ok", "The certificate by which Microsoft Graph tells us who joins ends {ends}.", ids=("F7.4", "F10.4")
    ),
    "notifications-end": Entry(
        "warning",
        "The certificate by which Microsoft Graph tells us who joins ends {ends}.",
        "Add a new pair to NOTIFICATION_KEYS.",
        "operator",
        ("F7.4", "F10.4"),
    ),
    "notifications-over": Entry(
        "failed",
        "The certificate by which Microsoft Graph tells us who joins ended {ends}.",
        "Add a new pair to NOTIFICATION_KEYS.",
        "operator",
        ("F7.4", "F10.4"),
    ),
    "notifications-none": Entry(
        "failed",
        "The connector has no certificate by which Microsoft Graph could tell who joins.",
        "Add a pair to NOTIFICATION_KEYS.",
        "operator",
        ("F7.4", "F10.4"),
    ),
}

_TEXTS = {
    "sms-off": Entry("skipped", "Texts are not set up.", "Set them up under SMS notifications, if you want them."),
    "sms": Entry(
        "ok",
        "The number is one of the connector's and may text; if it must be verified, somebody has said that it is.",
        ids=("F5.4", "F5.12"),
    ),
    "sms-no-consent": Entry(
        "failed",
        "A number is chosen, but not both consents are given, so no text is sent.",
        "Tick both boxes under SMS notifications, or take the number away.",
        "administrator",
        ("F5.3",),
    ),
    "sms-no-number": Entry(
        "failed",
        "Both consents are given, but no number is chosen, so no text is sent.",
        "Generate or choose a number under SMS notifications.",
        "administrator",
        ("F5.4",),
    ),
    "sms-no-service": Entry(
        "failed",
        "The connector has no Communication Services resource.",
        "Set ACS_ENDPOINT.",
        "operator",
        ("F5.4",),
    ),
    "sms-number-gone": Entry(
        "failed",
        "The number is not, or no longer, one of the connector's.",
        "Generate or choose another number under SMS notifications.",
        "administrator",
        ("F5.4",),
    ),
    "sms-number-silent": Entry(
        "failed",
        "The number cannot send texts (its SMS capability is {capability}).",
        "Choose a number that can.",
        "administrator",
        ("F5.4",),
    ),
    "sms-service-refused": Entry(
        "failed",
        "Communication Services refuses the connector ({reason}).",
        "Check ACS_ENDPOINT, the key, and the identity's role.",
        "operator",
        ("F5.4",),
    ),
    "sms-short-code": Entry(
        "warning",
        "A short code cannot be looked up; whether it may send is shown by the first text.",
        "Send a test text.",
        "administrator",
        ("F5.12",),
    ),
    "sms-not-verified": Entry(
        "failed",
        "The toll-free number is not verified ({state}), so carriers block its texts.",
        "Apply for verification in the Azure portal, and say so under SMS notifications once it is granted.",
        "operator",
        ("F5.12",),
    ),
    "sms-reports": Entry("ok", "The last delivery report came {at}.", ids=("F11.9",)),
    "sms-reports-none": Entry(
        "skipped",
        "No text was sent in the last three days, so nothing is known of delivery reports.",
        "Send a test text.",
        "administrator",
        ("F11.9",),
    ),
    "sms-reports-awaited": Entry(
        "skipped",
        "A text was sent in the last three days, and its delivery report is still awaited.",
        "Look again in some minutes; if none comes within two hours, the Event Grid subscription is missing.",
        "operator",
        ("F11.9",),
    ),
    "sms-reports-missing": Entry(
        "warning",
        "Texts of the last three days without a delivery report: {count}.",
        "Check the Event Grid subscription of the Communication Services resource.",
        "operator",
        ("F11.9",),
    ),
    "sms-unverified": Entry(
        "failed",
        "Carriers block our texts: the toll-free number is not verified (code 4010).",
        "Finish the toll-free verification; carriers take some weeks.",
        "operator",
        ("F5.12",),
    ),
    "allow-list": Entry("ok", "Numbers of staff that this test connection may text: {count}.", ids=("F2.5",)),
    "allow-list-empty": Entry(
        "failed",
        "The allow-list is empty, so this test connection texts nobody.",
        "Add your own number to the allow-list.",
        "administrator",
        ("F2.5",),
    ),
    "allow-list-not-needed": Entry("skipped", "Only test connections have an allow-list."),
}

_HL7 = {
    "hl7-certificate": Entry("ok", "The interface engine's certificate ends {ends}.", ids=("F6.2",)),
    "hl7-certificate-ends": Entry(
        "warning",
        "The interface engine's certificate ends {ends}.",
        "Upload the next certificate beside it; two may be pinned.",
        "administrator",
        ("F6.2",),
    ),
    "hl7-certificate-over": Entry(
        "failed",
        "The interface engine's certificate ended {ends}: its messages are refused.",
        "Upload the engine's new certificate and remove this one.",
        "administrator",
        ("F6.2",),
    ),
    "hl7-certificate-early": Entry(
        "warning",
        "The interface engine's certificate is valid from {starts} only.",
        "Keep the present certificate pinned until then.",
        "administrator",
        ("F6.2",),
    ),
    "hl7-certificate-none": Entry(
        "warning",
        "No certificate of an interface engine is pinned, so scheduling messages are refused.",
        "Upload the engine's certificate, if Epic is to send appointments.",
        "administrator",
        ("F6.2",),
    ),
    "hl7-times": Entry(
        "ok",
        "Times of messages are read as {zone}, where it is {local} now. When the last message came is not kept.",
        ids=("F6.7",),
    ),
}

_LAUNCH = {
    "launch-url": Entry("ok", "The record's address leads to this connection, and the issuer is the approved one."),
    "launch-refused": Entry(
        "failed",
        "Our launch address refuses: {title}",
        "Have the connection approved and not suspended, and launch from the Epic it is approved for.",
        "administrator",
        ("F14.4", "F14.5", "F14.7"),
    ),
    "authorize-url": Entry("ok", "The browser would be sent to Epic at {host}."),
    "token": Entry("ok", "A token response with the record's names was read: {members} members."),
    "visit": Entry("ok", "The selector leads to the visit with the invented CSN."),
    "visit-unknown": Entry(
        "failed",
        "The selector finds no visit: the names in the launch record and here differ.",
        "Make the names of the launch record's context and those under Advanced the same.",
        "administrator",
        ("F4.7", "F14.4"),
    ),
    "launch-organiser": Entry("ok", "An account of the pool was chosen."),
    "meeting": Entry("ok", "Microsoft Teams made the meeting, closed its door to strangers, and removed it again."),
    "meeting-left": Entry(
        "warning",
        "Microsoft Teams made the meeting and did not remove it; it expires by itself.",
        "Nothing: nobody knows its address.",
    ),
    "join-url": Entry("ok", "The person would land on {host}."),
    "join-url-refused": Entry(
        "failed",
        "The meeting's address is on {host}, which is none of the known Teams hosts.",
        "Add the host to TEAMS_HOSTS, if it is Microsoft's.",
        "operator",
    ),
    "not-shown-launch": Entry(
        "skipped", "That Epic honours its launch token: only a launch from Epic shows that.", "", None, ("F4.11",)
    ),
    "not-shown-identity": Entry(
        "skipped", "Who the user is (the id token): only a launch by a real user shows that.", "", None, ("F4.12",)
    ),
    "not-shown-context": Entry(
        "skipped",
        "That the record's context is filled in Epic as here: the record check compares what was typed.",
        "",
        None,
        ("F4.10",),
    ),
}

FINDINGS: Mapping[str, Entry] = {
    **_CALLS,
    **_CONNECTION,
    **_DISCOVERY,
    **_APPS,
    **_KEYS,
    **_BACKEND,
    **_WRITE_BACK,
    **_GRAPH,
    **_TEXTS,
    **_HL7,
    **_LAUNCH,
}


def said(name: str, **parameters: object) -> Finding:
    """A finding of the catalogue with its parameters."""
    return finding(FINDINGS, name, {key: str(value) for key, value in parameters.items()})
