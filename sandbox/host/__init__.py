"""A Functions host for one machine: official worker library plus our own host; it claims nothing about the
real .NET host (scaling, host lock, Easy Auth, error bodies).

    python -m sandbox.host --app-dir DIR --port P [--tls]    serve until SIGTERM
    python -m sandbox.host --app-dir DIR --index             print what Azure would index, as JSON

It runs HTTP, queue and timer triggers of a Python v2-model app as its host.json says, inside one process and
on one event loop, and refuses at start what it does not do: other triggers, output bindings, @app.retry.

Settings are the process environment, with `Values` of the app's local.settings.json as defaults. The host's own:

    SANDBOX_PLAN            the run's plan: certificates for --tls, the CA for storage and token endpoint over https
    SANDBOX_MASTER_KEY      the key of POST /admin/functions/<timer>; without it that endpoint always answers 401
    SANDBOX_LEASE_SECONDS   shorter processing lease of a queue message; Azure's is ten minutes
    SANDBOX_TIMERS          `manual`: no schedule, timers run by the admin endpoint only
    SANDBOX_BREAK           a fault that the demo plants in the loaded app

Where it is stricter than Azure on purpose: a lease is never renewed, so work that outlasts it is delivered again.
The worker protocol keeps one value per response header; Set-Cookie is its only exception. The queue of a
trigger is not made by the host, as on Azure; until it exists the listener waits with the idle back-off.
Not enforced: functionTimeout. An async function that blocks holds up the host too: both share a loop.
"""
