#!/usr/bin/env bash
# The whole set-up of set-up.md as one script over the config API, from a request for access to a green preflight.
#
#     make up BARE=1              # in another terminal, in the same folder
#     bash docs/set-up.sh         # asks once, for the code that the approver sees after Epic's sign-in
#
# On a deployed stamp change what stands between the two lines: addresses, ids, and `token`, which prints an access token
# of the API for one of the three people (such as `az account get-access-token --resource <API_AUDIENCE>`).
set -euo pipefail

# ----------------------------------------------------------------------------------------------------------------------
port=${SANDBOX_PORT:-7400}; folder=${SANDBOX_FOLDER:-.sandbox}
api=https://localhost:$port; epic=https://127.0.0.1:$((port + 4)); acs=https://127.0.0.1:$((port + 6))
ca=$folder/certs/ca.pem; engine=$folder/certs/engine.cer; python=.venv/bin/python
tenant=1a1a1a1a-0000-4000-8000-000000000002; phone=+16085550140; number=+18335550100
# register APP URIS: what the analyst does at Epic, where a new app is known after about twelve hours; here at once.
register() {
  local client; client=$(echo "$epic_side" | field "it['$1_client_id']")
  curl -sS --fail --cacert "$ca" -X PATCH -H 'Content-Type: application/json' "$epic/_sandbox/apps/$client" \
    -d "{\"redirect_uris\": $2}" > /dev/null
}
token() { "$python" -m sandbox token "$1"; }     # olivia: operator, adam: administrator, ana: approver
epic_side='{
  "fhir_base_url": "'$epic'/interconnect-test/api/FHIR/R4",
  "provider_client_id": "e0000000-0000-4000-8000-0000000000a1",
  "patient_client_id":  "e0000000-0000-4000-8000-0000000000b1",
  "backend_client_id":  "e0000000-0000-4000-8000-0000000000c1",
  "write_back": {"url": "'$epic'/interconnect-test/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"}
}'
own_side='{
  "approver": {"oid": "c0000000-0000-4000-8000-000000000003", "upn": "ana@lamna.example"},
  "time_zone": "America/Chicago",
  "organisers": ["c0000000-0000-4000-8000-000000000006"]
}'
# ----------------------------------------------------------------------------------------------------------------------

# call WHO METHOD PATH [BODY or @FILE]: the answer; a refusal ends the script with what the API says.
call() {
  local answer
  local -a extra=()
  [ -z "${change:-}" ] || extra+=(-H "If-Match: \"$change\"")
  [ $# -lt 4 ] || extra+=(--data-binary "$4")
  answer=$(curl -sS --cacert "$ca" -X "$2" -H "Authorization: Bearer $(token "$1")" \
    -H 'Content-Type: application/json' -w '\n%{http_code}' "${extra[@]}" "$api$3")
  if [ "${answer##*$'\n'}" -ge 400 ]; then
    echo "$2 $3: ${answer%$'\n'*}" >&2
    return 1
  fi
  echo "${answer%$'\n'*}"
}

# field EXPRESSION: of the JSON on standard input, which is called `it`.
field() { "$python" -c 'import json, sys; it = json.load(sys.stdin); print('"$1"')'; }

# A change names what it read: the connection's `change`.
at() { echo "/config/connections/$id$1"; }
changing() { change=$(call adam GET "$(at '')" | field 'it["change"]') call "$@"; }

echo "1. Access: asked for, and let in by the operator"
call adam POST /config/access-requests '{"organisation": "Lamna Healthcare", "contact": "epic@lamna.example"}' > /dev/null
call olivia PUT /config/organisations '{"tenant": "'$tenant'", "id": "lamna", "name": "Lamna Healthcare"}' > /dev/null

echo "2. The connection"
id=$(call adam POST /config/connections \
  '{"organisation": "lamna", "environment": "test", "epic": '"$epic_side"', "own": '"$own_side"'}' | field 'it["id"]')
echo "   $id; the Epic analyst registers:"
for app in provider patient; do
  uris=$(call adam GET "$(at /registration)" | field "json.dumps(next(a for a in it['apps'] if a['app'] == '$app')['redirect_uris'])")
  echo "   $app app: $uris"
  register "$app" "$uris"
done

echo "3. The interface engine's certificate"
changing adam POST "$(at /certificates)" "@$engine" > /dev/null

echo "4. The address is checked, the approver approves"
changing adam POST "$(at /validation)" > /dev/null
attempt=$(changing ana POST "$(at /approvals)")
echo "   Sign in to Epic at $(echo "$attempt" | field 'it["authorize_url"]')"
echo "   The code that its last page shows:"
read -r code
call ana POST "$(at "/approvals/$(echo "$attempt" | field 'it["attempt"]')")" '{"code": "'"$code"'"}' > /dev/null

echo "5. Texts"
call olivia POST /config/numbers/assignments \
  '{"tenant": "'$tenant'", "number": "'$number'", "verification": "verified"}' > /dev/null
sms='{"may_send_for_us": True, "patients_have_consented": True, "number": "'$number'", "reminders": [1440, 60]}'
own=$(call adam GET "$(at '')" | field 'json.dumps(it["own"] | {"sms": it["own"]["sms"] | '"$sms"'})')
changing adam PUT "$(at /own)" "$own" > /dev/null
changing adam POST "$(at /allow-list)" '{"number": "'$phone'"}' > /dev/null
curl -sS --fail --cacert "$ca" -H 'Content-Type: application/json' "$acs/_sandbox/eventgrid/subscriptions" -d '{
  "name": "texts", "auth": "entra", "schema": "eventgrid",
  "url": "'$api'/sms/events", "audience": "a0000000-0000-4000-8000-00000000a001"}' > /dev/null

echo "6. The records for Epic"
call ana GET "$(at /records)" |
  field '"\n".join(f"   {one["kind"]}: {row["value"]}" for one in it["records"] if one["served"] for row in one["rows"] if row["id"] == "launch-url")'

echo "7. Preflight"
call adam POST "$(at /preflight)" > "$folder/preflight.json"
field '"\n".join(f"   {link["state"]:8} {link["id"]}: {link["found"]}" for link in it["links"])' < "$folder/preflight.json"
[ "$(field 'it["state"]' < "$folder/preflight.json")" != failed ]
