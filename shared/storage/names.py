"""Names of queues and tables: the one place. A test compares them with host.json, sandbox and infra."""

from enum import StrEnum

#: The prefix of the app settings that say where storage is: a connection string, or `__queueServiceUri` and
#: `__tableServiceUri` for an identity.
STORAGE = "ConnectorStorage"


class Queue(StrEnum):
    """What moves between functions."""

    SCHEDULING_EVENTS = "scheduling-events"
    SMS_OUTBOUND = "sms-outbound"
    SMS_RECEIPTS = "sms-receipts"
    MEETING_REQUESTS = "meeting-requests"
    CALL_EVENTS = "call-events"
    EHR_WRITEBACK = "ehr-writeback"
    UPKEEP = "upkeep"
    NUMBER_ORDERS = "number-orders"
    TRIAL_TEXTS = "trial-texts"


class Table(StrEnum):
    """What rests."""

    ORGANISATIONS = "Organisations"
    CONNECTIONS = "Connections"
    SECRETS = "Secrets"
    VISITS = "Visits"
    LOOKUPS = "Lookups"
    DUE_WORK = "DueWork"
    TEXTS = "Texts"
    OPT_OUTS = "OptOuts"
    PEOPLE = "People"
    ORGANISERS = "Organisers"
    ORDERS = "Orders"
    AUDIT = "Audit"
    PARKED = "Parked"
