"""Scheduling messages in the shapes of epic.md 4.7, with made-up people and numbers reserved for fiction."""

#: 1. Epic's own outgoing S12: 16-digit MSH-7, MSH-9 in two parts, a phone without area code, AIG cut.
EPIC_S12 = "\r".join(
    (
        r"MSH|^~\&|SCHED|LAMNA HOSPITAL|CONNECTOR|TEAMS|2010052711090000||SIU^S12|1055|P|2.3||",
        "SCH|1|36996|||||||30|MIN|^^^201005271115|589^LEE^STELLA^^^^|(608)555-0199|5301 ANY BLVD^^ANYTOWN^^53719^|"
        "||||||||||1^SCH",
        "NTE|1||CSCOPE",
        "PID|||Z556301||EXAMPLE^ERIN^^^^||19720324|M|||1 ANY ST^^ANYTOWN^MN^22334^||555-0100||||||000-00-0000|"
        "||||||||||N",
        "PV1||O|IM||||||||||||||||36996|||||||||||||||||",
        "RGS|1||1^INTERNAL MEDICINE",
        "AIS|1||001^GI EXAM",
        "AIP|1||400^BEST^TINA^^^^|1^MD||201005271115|0|MIN|15|MIN",
    )
)

_BATCH = "\n".join(
    (
        r"MSH|^~\&|SENDING_APPLICATION|SENDING_FACILITY|RECEIVING_APPLICATION|RECEIVING_FACILITY|{sent}||SIU^{event}|"
        "{control}|P|2.3||||||",
        "SCH|10345^10345|2196178^2196178|||10345|OFFICE^Office visit|reason for the appointment|OFFICE|60|m|"
        "^^60^20110617084500^20110617093000|||||9^DOE^DANA^||||9^DOE^DANA^|||||{status}",
        "PID|1||42||EXAMPLE^EMIL||19781012|M|||1 Any ave^^Anytown^IN^46804||(260)555-0134|||S||000000000",
        "RGS|1|{segment_action}",
        "AIL|1|{segment_action}|OFFICE^^^OFFICE|^Main Office||20110614084500|||60|m^Minutes||{status}",
        "",
    )
)

#: 2. S12, S14 and S15 in one body without BHS.
UNWRAPPED_BATCH = "".join(
    _BATCH.format(sent=sent, event=event, control=control, status=status, segment_action=action)
    for sent, event, control, status, action in (
        ("20110613061611", "S12", "24916560", "Scheduled", "A"),
        ("20110613072836", "S14", "24916579", "Scheduled", "U"),
        ("20110613072836", "S15", "24916597", "Cancelled", "C"),
    )
)

#: 3. v2.8: times in TQ1 with an odd offset while SCH-11 says something else; eight-digit phones.
V28_S12 = "\r".join(
    (
        r"MSH|^~\&|SCHApp|Hospital^1.2^ISO|EHRApp^1.3^ISO|Hospital^1.4^ISO|202109141120+0215|SECURITY|SIU^S12^SIU_S12|"
        "MSG00012|P|2.8|||||USA||en-US",
        "SCH|12345|36996||||Add|EMERGENCY|Normal|60|s|2^^2 hours^202010011126+0215^202010091126+0215^R|||||||||||||"
        "|Booked|",
        "TQ1|||||||20210924093000+0215|20210924102000+0215|A",
        "PID|1||PATID1^^^A^MR||EXAMPLE^ELIF||19880818|F|||1 Any Lane||55501000^^CP^5555^^^1111^^^^^2222^^^^^^18~"
        "55501001^^CP|7777^^CP|ara^^HL70296^eng^English-us^HL70296",
        "PV1|1|O|055^Room01^^Clinic||||||||||||||||5001^^^AccMgr",
    )
)

#: 4. Declared and sent as 8859/1, start to the minute, RGS-2 U.
LATIN_S14 = "\r".join(
    (
        r"MSH|^~\&|XPLORE|PPR|ORBIS|ORBIS|201809121548||SIU^S14|A25335484220154822|P|2.3.1||||||8859/1",
        "SCH||A25335451569||||^APT|||||^^^201809121548|||||^^^8712&EM Neuro Pédiatrie PPR&L|||||||||STARTED|",
        "PID|1||77||EXEMPLE^ÉLISE||20100101|F",
        "RGS|1|U|8712",
    )
)

#: 5. Phones in parts: an untyped one, a mobile, an e-mail address.
PHONES_IN_PARTS = (
    "(919)555-0107^^^^^919^5550107~(777)555-0107^^CP^^^608^5550107~^NET^X.400^erin@example.org"  # 777 is no area code
)

#: 6. Four resource groups, a control id that begins with a blank, units with their name.
FOUR_GROUPS = "\r".join(
    (
        r"MSH|^~\&|LAMNA|A|CONNECTOR|B|20080819065131||SIU^S12| 4711|P|2.4",
        "SCH|1^1|2||||||||MIN^MINUTES|^^45^20080820090000",
        "PID|1||88||EXAMPLE^EVE",
        "PV1|1|O|||||||||||||||||C-88",
        "RGS|1|A|G1",
        "AIS|1|A|XR",
        "RGS|2|A|G2",
        "AIG|1|A|M1",
        "RGS|3|A|G3",
        "AIL|1|A|L1",
        "RGS|4|A|G4",
        "AIP|1|A|P1",
    )
)


def siu(trigger: str = "S12", **fields: str) -> str:
    """A plain message whose fields can be set: `SCH_11="..."`, `PID_13=""`, `MSH_7=""`; a segment with `TQ1=...`."""
    values = {
        "MSH_3": "EPIC^SIU_GENERIC",
        "MSH_4": "LAMNA",
        "MSH_5": "CONNECTOR",
        "MSH_6": "TEAMS",
        "MSH_7": "20260302090000",
        "MSH_9": f"SIU^{trigger}^SIU_S12",
        "MSH_10": "4242",
        "MSH_11": "P",
        "MSH_12": "2.5.1",
        "SCH_2": "900100",
        "SCH_7": "VID^VIDEO VISIT",
        "SCH_9": "30",
        "SCH_10": "MIN",
        "SCH_11": "^^^20260310140000",
        "SCH_25": "1^SCH",
        "PID_3": "E77",
        "PID_5": "EXAMPLE^ERIN",
        "PID_13": "(608)555-0142^PRN^CP",
        "PID_15": "English",
        "PV1_3": "CARD",
        "PV1_19": "900100",
        **fields,
    }
    extra = [values.pop(name) for name in list(values) if "_" not in name]
    header = _segment("MSH", values, before=(r"^~\&",))
    return "\r".join((header, _segment("SCH", values), *extra, _segment("PID", values), _segment("PV1", values)))


def _segment(name: str, values: dict[str, str], before: tuple[str, ...] = ()) -> str:
    numbers = {int(key.partition("_")[2]): value for key, value in values.items() if key.startswith(f"{name}_")}
    first = 1 + len(before) + (name == "MSH")
    return "|".join((name, *before, *(numbers.get(number, "") for number in range(first, max(numbers) + 1))))
