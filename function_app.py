"""The app: registers the function groups of its role. APP_ROLE is `main` or `hl7`; there is no default."""

import azure.functions as func

from shared.bootstrap import settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

if settings().role == "hl7":
    from functions import hl7

    app.register_functions(hl7.bp)
else:
    from functions import (
        agenda,
        approval,
        config,
        join,
        keys,
        launch,
        meetings,
        numbers,
        onboarding,
        people,
        preflight,
        presence,
        records,
        schedule,
        sms,
        trial_texts,
        upkeep,
        watch,
        writeback,
    )

    for group in (
        agenda,
        approval,
        config,
        join,
        keys,
        launch,
        meetings,
        numbers,
        onboarding,
        people,
        preflight,
        presence,
        records,
        schedule,
        sms,
        trial_texts,
        upkeep,
        watch,
        writeback,
    ):
        app.register_functions(group.bp)
