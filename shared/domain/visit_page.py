"""What the pages on the way into a visit say, in the patient's language. Pure; the words are plain text."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.wording import day_and_time

_FALLBACK = "en"


@dataclass(frozen=True)
class Words:
    """Sentences with {who}, {day} and {time}; `opens` tells from when one may come in."""

    title: str
    invited: str
    join: str
    early: str
    opens: str
    stay: str
    again: str
    preparing: str
    over: str
    cancelled: str


_WORDS = {
    "en": Words(
        title="Your video visit",
        invited="{who}: your visit is on {day} at {time}.",
        join="Join the visit",
        early="You are early. Your visit is on {day} at {time}.",
        opens="You can come in on {day} from {time}.",
        stay="You may leave this page open; it goes on by itself.",
        again="Please come back then.",
        preparing="The room is being prepared. This page goes on by itself in a moment.",
        over="This visit is over. If you still need care, please call the clinic.",
        cancelled="This visit was cancelled. If you have questions, please call the clinic.",
    ),
    "es": Words(
        title="Su visita por video",
        invited="{who}: su visita es el {day} a las {time}.",
        join="Entrar a la visita",
        early="Ha llegado temprano. Su visita es el {day} a las {time}.",
        opens="Puede entrar el {day} a partir de las {time}.",
        stay="Puede dejar esta página abierta; continuará sola.",
        again="Por favor, vuelva entonces.",
        preparing="Estamos preparando la sala. Esta página continuará sola en un momento.",
        over="Esta visita ha terminado. Si todavía necesita atención, llame a la clínica.",
        cancelled="Esta visita fue cancelada. Si tiene preguntas, llame a la clínica.",
    ),
    "fr": Words(
        title="Votre visite vidéo",
        invited="{who} : votre visite a lieu le {day} à {time}.",
        join="Rejoindre la visite",
        early="Vous êtes en avance. Votre visite a lieu le {day} à {time}.",
        opens="Vous pourrez entrer le {day} à partir de {time}.",
        stay="Vous pouvez laisser cette page ouverte ; elle continuera d'elle-même.",
        again="Merci de revenir à ce moment-là.",
        preparing="La salle est en préparation. Cette page continuera d'elle-même dans un instant.",
        over="Cette visite est terminée. Si vous avez encore besoin de soins, appelez la clinique.",
        cancelled="Cette visite a été annulée. Pour toute question, appelez la clinique.",
    ),
    "it": Words(
        title="La sua visita video",
        invited="{who}: la sua visita è {day} alle {time}.",
        join="Entra nella visita",
        early="È in anticipo. La sua visita è {day} alle {time}.",
        opens="Potrà entrare {day} dalle {time}.",
        stay="Può lasciare aperta questa pagina; proseguirà da sola.",
        again="La preghiamo di tornare a quell'ora.",
        preparing="Stiamo preparando la stanza. Questa pagina proseguirà da sola tra un momento.",
        over="Questa visita è terminata. Se ha ancora bisogno di cure, chiami la clinica.",
        cancelled="Questa visita è stata annullata. Per domande, chiami la clinica.",
    ),
}


def spoken(language: str) -> str:
    """The language a page is written in: the one asked for, or English."""
    return language if language in _WORDS else _FALLBACK


def words(language: str) -> Words:
    """The sentences of a language, else the English ones."""
    return _WORDS[spoken(language)]


def at(sentence: str, moment: datetime, zone: str, language: str, who: str = "") -> str:
    """A sentence with its day and time filled in."""
    day, time = day_and_time(moment, zone, spoken(language))
    return sentence.format(who=who, day=day, time=time)
