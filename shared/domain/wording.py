"""What a text says: organisation, day, time and link; in the first one how to opt out. Nothing else.

All fixed words keep to the GSM-7 alphabet ("sabado", "aout"), because one letter outside it makes a text cost
twice to three times as many segments.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.domain.texts import Occasion

#: Carriers join this many characters without trouble (microsoft-apis.md section 3, limits).
LONGEST = 320
_CUT = "..."
#: Letters that fit seven bits each (GSM 03.38): the basic set, and the extension, whose letters count twice.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True)
class _Language:
    """Sentences with {who}, {day}, {time}; `day` with {weekday}, {number}, {month}; `clock` for strftime."""

    booked: str
    changed: str
    cancelled: str
    reminder: str
    join: str
    opt_out: str
    day: str
    clock: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]


_LANGUAGES = {
    "en": _Language(
        booked="{who}: your video visit is on {day} at {time}.",
        changed="{who}: your video visit has moved to {day} at {time}.",
        cancelled="{who}: your video visit on {day} at {time} is cancelled.",
        reminder="{who}: reminder of your video visit on {day} at {time}.",
        join="Join here:",
        opt_out="Reply STOP to opt out.",
        day="{weekday}, {month} {number}",
        clock="%-I:%M %p",
        weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
    ),
    "es": _Language(
        booked="{who}: su visita por video es el {day} a las {time}.",
        changed="{who}: su visita por video ha cambiado al {day} a las {time}.",
        cancelled="{who}: su visita por video del {day} a las {time} ha sido cancelada.",
        reminder="{who}: recordatorio de su visita por video el {day} a las {time}.",
        join="Entre aqui:",
        opt_out="Responda STOP para no recibir mensajes.",
        day="{weekday} {number} de {month}",
        clock="%H:%M",
        weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sabado", "domingo"),
        months=(
            "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre",
        ),
    ),
    "fr": _Language(
        booked="{who} : votre visite vidéo aura lieu le {day} à {time}.",
        changed="{who} : votre visite vidéo est déplacée au {day} à {time}.",
        cancelled="{who} : votre visite vidéo du {day} à {time} est annulée.",
        reminder="{who} : rappel de votre visite vidéo le {day} à {time}.",
        join="Rejoindre :",
        opt_out="Répondez STOP pour ne plus recevoir de messages.",
        day="{weekday} {number} {month}",
        clock="%H:%M",
        weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        months=(
            "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "aout", "septembre", "octobre",
            "novembre", "décembre",
        ),
    ),
    "it": _Language(
        booked="{who}: la sua visita video è {day} alle {time}.",
        changed="{who}: la sua visita video è spostata a {day} alle {time}.",
        cancelled="{who}: la sua visita video di {day} alle {time} è annullata.",
        reminder="{who}: promemoria della sua visita video di {day} alle {time}.",
        join="Entri qui:",
        opt_out="Risponda STOP per non ricevere messaggi.",
        day="{weekday} {number} {month}",
        clock="%H:%M",
        weekdays=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
        months=(
            "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
            "novembre", "dicembre",
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Wording:
    """What goes into a text.

    start     UTC; shown in `zone`
    link      where the visit is joined; a cancellation shows none
    first     this text is the first one about the visit: it tells how to opt out
    """

    occasion: Occasion
    organisation: str
    start: datetime
    zone: str
    language: str | None
    link: str | None
    first: bool


def words(wording: Wording) -> str:
    """The text in the patient's language, else in English; a long name of an organisation is cut to fit."""
    language = _LANGUAGES.get(wording.language or "en", _LANGUAGES["en"])
    room = LONGEST - len(_text(wording, language, ""))
    return _text(wording, language, _fitting(wording.organisation, room))


def day_and_time(moment: datetime, zone: str, language: str) -> tuple[str, str]:
    """A day and a time of day as this language writes them, else as English does."""
    known = _LANGUAGES.get(language, _LANGUAGES["en"])
    local = moment.astimezone(ZoneInfo(zone))
    return _day(local, known), local.strftime(known.clock)


def _text(wording: Wording, language: _Language, who: str) -> str:
    local = wording.start.astimezone(ZoneInfo(wording.zone))
    sentence = getattr(language, wording.occasion).format(
        who=who, day=_day(local, language), time=local.strftime(language.clock)
    )
    parts = [sentence]
    if wording.link and wording.occasion != "cancelled":
        parts += [language.join, wording.link]
    if wording.first:
        parts.append(language.opt_out)
    return " ".join(parts)


def _day(local: datetime, language: _Language) -> str:
    return language.day.format(
        weekday=language.weekdays[local.weekday()], number=local.day, month=language.months[local.month - 1]
    )


def _fitting(name: str, room: int) -> str:
    plain = " ".join(name.split())
    return plain if len(plain) <= room else plain[: max(0, room - len(_CUT))].rstrip() + _CUT


def segments(text: str) -> int:
    """How many segments the carrier makes of it: 160 or 153 septets in GSM-7, else 70 or 67 units of UCS-2."""
    if set(text) <= _GSM | _GSM_TWICE:
        length, single, part = sum(2 if letter in _GSM_TWICE else 1 for letter in text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else math.ceil(length / part)
