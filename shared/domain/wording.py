"""What a text says: organisation, day, time and link; in the first one how to opt out.

An organisation may write its own templates (templates.py); these are the connector's words, and what every text shares.
All fixed words keep to the GSM-7 alphabet ("sabado", "aout"), because one letter outside it makes a text cost
twice to three times as many segments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.domain.permission import Occasion
from shared.domain.templates import TextTemplates, filled, placeholders

#: Carriers join this many characters without trouble (microsoft-apis.md section 3, limits).
LONGEST = 320
_CUT = "..."
#: An organisation's name is cut to no less, however long its own template is.
_LEAST_NAME = 20


@dataclass(frozen=True)
class _Language:
    """Sentences are templates; `day` has {weekday}, {number}, {month} and {year}; `clock` is for strftime."""

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
        booked="{organisation}: your video visit is on {day} at {time}.",
        changed="{organisation}: your video visit has moved to {day} at {time}.",
        cancelled="{organisation}: your video visit on {day} at {time} is cancelled.",
        reminder="{organisation}: reminder of your video visit on {day} at {time}.",
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
        booked="{organisation}: su visita por video es el {day} a las {time}.",
        changed="{organisation}: su visita por video ha cambiado al {day} a las {time}.",
        cancelled="{organisation}: su visita por video del {day} a las {time} ha sido cancelada.",
        reminder="{organisation}: recordatorio de su visita por video el {day} a las {time}.",
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
        booked="{organisation} : votre visite vidéo aura lieu le {day} à {time}.",
        changed="{organisation} : votre visite vidéo est déplacée au {day} à {time}.",
        cancelled="{organisation} : votre visite vidéo du {day} à {time} est annulée.",
        reminder="{organisation} : rappel de votre visite vidéo le {day} à {time}.",
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
        booked="{organisation}: la sua visita video è {day} alle {time}.",
        changed="{organisation}: la sua visita video è spostata a {day} alle {time}.",
        cancelled="{organisation}: la sua visita video di {day} alle {time} è annullata.",
        reminder="{organisation}: promemoria della sua visita video di {day} alle {time}.",
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
#: For templates in a language that we have no words of.
_FIGURES = replace(
    _LANGUAGES["en"],
    day="{year}-{month}-{number:02}",
    clock="%H:%M",
    months=tuple(f"{month:02}" for month in range(1, 13)),
)


@dataclass(frozen=True)
class Said:
    """The words of a text before anything is put in, and the language in which it writes day and time."""

    template: str
    language: str


@dataclass(frozen=True)
class Wording:
    """What goes into a text.

    start     UTC; shown in `zone`
    link      where the visit is joined; a cancellation shows none of its own accord
    first     this text is the first one about the visit: it tells how to opt out
    """

    occasion: Occasion
    organisation: str
    start: datetime
    zone: str
    language: str | None
    link: str | None
    first: bool
    department: str | None = None
    provider: str | None = None
    visit_type: str | None = None


def chosen(wording: Wording, own: Mapping[str, TextTemplates]) -> Said:
    """The organisation's template in the patient's language, else our words in it, else both in English.

    A template that asks for what is not known, such as a department, gives way to our words.
    """
    known = {name for name, value in _values(wording, _LANGUAGES["en"]).items() if value}
    for language in (wording.language or "en", "en"):
        template = getattr(own.get(language), wording.occasion, None)
        if template and placeholders(template) <= known:
            return Said(template, language)
        if language in _LANGUAGES:
            return Said(_ours(wording, _LANGUAGES[language]), language)
    raise AssertionError("English has words of ours")


def words(wording: Wording, said: Said | None = None) -> str:
    """The whole text; a long name of an organisation is cut to fit."""
    said = said or chosen(wording, {})
    values = _values(wording, _spoken(said.language))
    room = LONGEST - len(_text(wording, said, values | {"organisation": ""}))
    return _text(wording, said, values | {"organisation": _fitting(wording.organisation, room)})


def day_and_time(moment: datetime, zone: str, language: str) -> tuple[str, str]:
    """A day and a time of day as this language writes them, else as English does."""
    known = _LANGUAGES.get(language, _LANGUAGES["en"])
    local = moment.astimezone(ZoneInfo(zone))
    return _day(local, known), local.strftime(known.clock)


def _ours(wording: Wording, language: _Language) -> str:
    sentence: str = getattr(language, wording.occasion)
    return f"{sentence} {language.join} {{link}}" if wording.link and wording.occasion != "cancelled" else sentence


def _values(wording: Wording, language: _Language) -> dict[str, str | None]:
    local = wording.start.astimezone(ZoneInfo(wording.zone))
    return {
        "organisation": wording.organisation,
        "day": _day(local, language),
        "time": local.strftime(language.clock),
        "link": wording.link,
        "department": wording.department,
        "provider": wording.provider,
        "visit_type": wording.visit_type,
    }


def _text(wording: Wording, said: Said, values: Mapping[str, str | None]) -> str:
    text = filled(said.template, values)
    return f"{text} {_spoken(said.language).opt_out}" if wording.first else text


def _spoken(language: str) -> _Language:
    """How a language writes days and times; one that we do not know writes them in figures."""
    return _LANGUAGES.get(language, _FIGURES)


def _day(local: datetime, language: _Language) -> str:
    return language.day.format(
        weekday=language.weekdays[local.weekday()],
        number=local.day,
        month=language.months[local.month - 1],
        year=local.year,
    )


def _fitting(name: str, room: int) -> str:
    plain = " ".join(name.split())
    room = max(room, _LEAST_NAME)
    return plain if len(plain) <= room else plain[: room - len(_CUT)].rstrip() + _CUT
