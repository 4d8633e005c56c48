"""Microsoft Graph as far as a virtual visit needs it, and a small Teams page in which visits are held.

Sources: reference/microsoft-apis.md sections 1, 2 and 4. What is not documented is refused.

Graph (bearer token of the Entra stand-in, application permissions only):

    POST        /v1.0/users/{oid}/onlineMeetings/createOrGet
    POST, GET   /v1.0/users/{oid}/onlineMeetings            GET with $filter=JoinWebUrl eq '...'
    GET, PATCH, DELETE  /v1.0/users/{oid}/onlineMeetings/{id}
    GET         .../onlineMeetings/{id}/attendanceReports[/{rid}[/attendanceRecords]]
    GET         /v1.0/communications/callRecords/{id}
    GET         /v1.0/users, /v1.0/users/{oid or upn}
    POST, GET   /{v1.0,beta}/subscriptions;  GET, PATCH, DELETE .../{id};  POST .../{id}/reauthorize

The Teams page (anyone, as anyone of `sandbox.world.USERS` or as a guest; its clicks are the roster events):

    GET   the meeting's joinWebUrl [&as=KEY]                     the page; cookie teams_user=KEY does as well
    GET   /teams/meetings/{id}                                   {id, subject, state, participants: [...]}
    POST  /teams/meetings/{id}/join   {"as": key|null, "name"}   -> 201 {participant, state: "in"|"lobby"}
    POST  /teams/participants/{pid}/admit|deny [{"by": pid}]     -> {participant, state: "in"|"removed"}
    POST  /teams/participants/{pid}/leave                        -> {participant, state: "left"}
    POST  /teams/meetings/{id}/end    [{"by": pid}]              -> {id, state: "ended"}

Control, beside that of `sandbox.peer`: see `sandbox.graph.control_routes`; faults of what goes out: see
`sandbox.graph.notifier`.
"""
