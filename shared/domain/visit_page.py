"""What the pages on the way into a visit say, in the reader's language. Pure; the words are plain text."""

import re
from dataclasses import dataclass
from datetime import datetime

from shared.domain.wording import day_and_time
from shared.errors import CATALOGUE, Code

_FALLBACK = "en"
#: As RFC 9110 writes how much a language is wanted; one without is wanted most.
_WEIGHT = re.compile(r"\s*q=(0(\.\d{0,3})?|1(\.0{0,3})?)\s*", re.IGNORECASE)
#: Browsers send a handful.
_MOST_ASKED = 20


@dataclass(frozen=True)
class Words:
    """Sentences with {who}, {day} and {time}; `opens` tells from when one may come in.

    launch, outside, to_epic   title and buttons of the pages before Epic, where nobody knows yet whose visit it is
    failed                     title of a page that says what was refused
    confirmed, signed_in, enter, nobody   to the approver, after Epic's sign-in: {user}, {organisation}, {address}
    """

    launch: str
    outside: str
    to_epic: str
    failed: str
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
    confirmed: str
    signed_in: str
    enter: str
    nobody: str


_WORDS = {
    "en": Words(
        launch="Video visit",
        outside="Open the video visit",
        to_epic="Continue to Epic",
        failed="This did not work",
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
        confirmed="Epic has confirmed your sign-in",
        signed_in="You are signed in to Epic as {user}, for {organisation}.",
        enter="To let the virtual visit connector use {address}, go back to the connector's page, enter this code "
        "and press Approve:",
        nobody="If you did not begin this yourself, close this page and give the code to nobody.",
    ),
    "es": Words(
        launch="Visita por video",
        outside="Abrir la visita por video",
        to_epic="Continuar a Epic",
        failed="No ha funcionado",
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
        confirmed="Epic ha confirmado su inicio de sesión",
        signed_in="Ha iniciado sesión en Epic como {user}, para {organisation}.",
        enter="Para que el conector de visitas por video use {address}, vuelva a la página del conector, "
        "escriba este código y pulse Aprobar:",
        nobody="Si no lo empezó usted, cierre esta página y no dé el código a nadie.",
    ),
    "fr": Words(
        launch="Visite vidéo",
        outside="Ouvrir la visite vidéo",
        to_epic="Continuer vers Epic",
        failed="Cela n'a pas fonctionné",
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
        confirmed="Epic a confirmé votre connexion",
        signed_in="Vous êtes connecté à Epic en tant que {user}, pour {organisation}.",
        enter="Pour que le connecteur de visites vidéo utilise {address}, revenez à la page du connecteur, "
        "saisissez ce code et appuyez sur Approuver :",
        nobody="Si vous n'êtes pas à l'origine de cette demande, fermez cette page et ne donnez le code à personne.",
    ),
    "it": Words(
        launch="Visita video",
        outside="Apri la visita video",
        to_epic="Continua verso Epic",
        failed="Non ha funzionato",
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
        confirmed="Epic ha confermato il suo accesso",
        signed_in="Ha effettuato l'accesso a Epic come {user}, per {organisation}.",
        enter="Perché il connettore delle visite video usi {address}, torni alla pagina del connettore, "
        "inserisca questo codice e prema Approva:",
        nobody="Se non è stato lei a cominciare, chiuda questa pagina e non dia il codice a nessuno.",
    ),
}


#: Why it did not work, where a page may have to say so. English says what the catalogue says.
_REFUSALS: dict[str, dict[Code, str]] = {
    "es": {
        Code.CONNECTION_UNKNOWN: "Esta conexión no existe.",
        Code.CONNECTION_NOT_SERVING: "Aquí no hay visitas por video en este momento. Llame a la clínica.",
        Code.NOT_FOUND: "Aquí no hay nada.",
        Code.BODY_TOO_LARGE: "El mensaje es demasiado grande.",
        Code.BODY_UNREADABLE: "No se puede leer lo que se envió.",
        Code.CONTENT_TYPE: "Este tipo de contenido no se acepta aquí.",
        Code.ADDRESS_REFUSED: "El conector no puede llamar a esta dirección.",
        Code.FHIR_BASE_INVALID: "El sistema Epic de la clínica no responde como debería.",
        Code.CHANGED_MEANWHILE: "Alguien lo cambió mientras tanto. Por favor, empiece de nuevo.",
        Code.WRONG_STATE: "Esto no se puede hacer en el estado actual.",
        Code.ISSUER_UNKNOWN: "Este sistema Epic no es aquel para el que se aprobó la conexión.",
        Code.LAUNCH_EMPTY: "Epic no dijo qué visita empezar. Por favor, empiece desde su agenda o desde MyChart.",
        Code.LAUNCH_ROLE: "Esta entrada es para otra persona. Por favor, empiece la visita desde su propio Epic.",
        Code.LAUNCH_STALE: "El inicio tardó demasiado. Por favor, empiece la visita de nuevo.",
        Code.LAUNCH_REPLAYED: "Este inicio ya se utilizó. Por favor, empiece la visita de nuevo.",
        Code.EPIC_REFUSED: "Epic no permitió empezar la visita.",
        Code.SIGN_IN_REFUSED: "No se completó el inicio de sesión.",
        Code.VISIT_UNKNOWN: "No podemos saber de qué visita se trata.",
        Code.VISIT_OVER: "Esta visita ha terminado.",
        Code.VISIT_NOT_VIDEO: "Esta visita no está reservada como visita por video. Llame a la clínica.",
        Code.VISIT_CANCELLED: "Esta visita fue cancelada. Si tiene preguntas, llame a la clínica.",
        Code.TOO_EARLY: "Es demasiado temprano para esta visita.",
        Code.NOT_READY: "Estamos preparando la sala. Por favor, inténtelo de nuevo en un momento.",
        Code.LINK_UNKNOWN: "Este enlace no es válido, o ya no lo es.",
        Code.BUSY: "No podemos atenderle en este momento. Por favor, inténtelo de nuevo.",
        Code.UNEXPECTED: "Algo ha fallado de nuestro lado.",
    },
    "fr": {
        Code.CONNECTION_UNKNOWN: "Cette connexion n'existe pas.",
        Code.CONNECTION_NOT_SERVING: "Il n'y a pas de visites vidéo ici pour le moment. Appelez la clinique.",
        Code.NOT_FOUND: "Il n'y a rien ici.",
        Code.BODY_TOO_LARGE: "Le message est trop volumineux.",
        Code.BODY_UNREADABLE: "Ce qui a été envoyé ne peut pas être lu.",
        Code.CONTENT_TYPE: "Ce type de contenu n'est pas accepté ici.",
        Code.ADDRESS_REFUSED: "Le connecteur ne peut pas appeler cette adresse.",
        Code.FHIR_BASE_INVALID: "Le système Epic de la clinique ne répond pas comme il le devrait.",
        Code.CHANGED_MEANWHILE: "Quelqu'un l'a modifié entre-temps. Merci de recommencer.",
        Code.WRONG_STATE: "Cela ne peut pas être fait dans l'état actuel.",
        Code.ISSUER_UNKNOWN: "Ce système Epic n'est pas celui pour lequel la connexion a été approuvée.",
        Code.LAUNCH_EMPTY: "Epic n'a pas dit quelle visite commencer. Commencez-la depuis votre agenda ou MyChart.",
        Code.LAUNCH_ROLE: "Cette entrée est réservée à quelqu'un d'autre. Commencez la visite depuis votre Epic.",
        Code.LAUNCH_STALE: "Ce démarrage a pris trop de temps. Merci de recommencer la visite.",
        Code.LAUNCH_REPLAYED: "Ce démarrage a déjà servi. Merci de recommencer la visite.",
        Code.EPIC_REFUSED: "Epic n'a pas permis de commencer la visite.",
        Code.SIGN_IN_REFUSED: "La connexion à votre compte n'a pas abouti.",
        Code.VISIT_UNKNOWN: "Nous ne savons pas de quelle visite il s'agit.",
        Code.VISIT_OVER: "Cette visite est terminée.",
        Code.VISIT_NOT_VIDEO: "Cette visite n'est pas prévue en vidéo. Appelez la clinique.",
        Code.VISIT_CANCELLED: "Cette visite a été annulée. Pour toute question, appelez la clinique.",
        Code.TOO_EARLY: "Il est trop tôt pour cette visite.",
        Code.NOT_READY: "La salle est en préparation. Merci de réessayer dans un instant.",
        Code.LINK_UNKNOWN: "Ce lien n'est pas valable, ou ne l'est plus.",
        Code.BUSY: "Nous ne pouvons pas répondre pour le moment. Merci de réessayer.",
        Code.UNEXPECTED: "Un problème est survenu de notre côté.",
    },
    "it": {
        Code.CONNECTION_UNKNOWN: "Questa connessione non esiste.",
        Code.CONNECTION_NOT_SERVING: "Qui al momento non ci sono visite video. Chiami la clinica.",
        Code.NOT_FOUND: "Qui non c'è nulla.",
        Code.BODY_TOO_LARGE: "Il messaggio è troppo grande.",
        Code.BODY_UNREADABLE: "Non si riesce a leggere quanto è stato inviato.",
        Code.CONTENT_TYPE: "Questo tipo di contenuto qui non è accettato.",
        Code.ADDRESS_REFUSED: "Il connettore non può chiamare questo indirizzo.",
        Code.FHIR_BASE_INVALID: "Il sistema Epic della clinica non risponde come dovrebbe.",
        Code.CHANGED_MEANWHILE: "Nel frattempo qualcuno lo ha modificato. La preghiamo di ricominciare.",
        Code.WRONG_STATE: "Non è possibile nello stato attuale.",
        Code.ISSUER_UNKNOWN: "Questo sistema Epic non è quello per cui la connessione è stata approvata.",
        Code.LAUNCH_EMPTY: "Epic non ha detto quale visita iniziare. La inizi dalla sua agenda o da MyChart.",
        Code.LAUNCH_ROLE: "Questo ingresso è per qualcun altro. La preghiamo di iniziare la visita dal suo Epic.",
        Code.LAUNCH_STALE: "L'avvio ha richiesto troppo tempo. La preghiamo di ricominciare la visita.",
        Code.LAUNCH_REPLAYED: "Questo avvio è già stato usato. La preghiamo di ricominciare la visita.",
        Code.EPIC_REFUSED: "Epic non ha permesso di iniziare la visita.",
        Code.SIGN_IN_REFUSED: "L'accesso non è stato completato.",
        Code.VISIT_UNKNOWN: "Non riusciamo a capire di quale visita si tratta.",
        Code.VISIT_OVER: "Questa visita è terminata.",
        Code.VISIT_NOT_VIDEO: "Questa visita non è prenotata come visita video. Chiami la clinica.",
        Code.VISIT_CANCELLED: "Questa visita è stata annullata. Per domande, chiami la clinica.",
        Code.TOO_EARLY: "È troppo presto per questa visita.",
        Code.NOT_READY: "Stiamo preparando la stanza. La preghiamo di riprovare tra un momento.",
        Code.LINK_UNKNOWN: "Questo link non è valido, o non lo è più.",
        Code.BUSY: "In questo momento non possiamo rispondere. La preghiamo di riprovare.",
        Code.UNEXPECTED: "Qualcosa è andato storto da parte nostra.",
    },
}
#: For what only programs are told.
_OTHERWISE = {
    "es": "No se puede hacer en este momento. Si necesita ayuda, llame a la clínica.",
    "fr": "Cela n'est pas possible pour le moment. Si vous avez besoin d'aide, appelez la clinique.",
    "it": "In questo momento non è possibile. Se ha bisogno di aiuto, chiami la clinica.",
}


def chosen(known: str | None, asked: str) -> str:
    """The language of a page: the patient's, as the hospital's messages say; else the browser's; else English.

    asked: the browser's Accept-Language
    """
    return known if known in _WORDS else next((one for one in _wanted(asked) if one in _WORDS), _FALLBACK)


def _wanted(asked: str) -> list[str]:
    """Primary tags of an Accept-Language, what is wanted most first; what is not wanted stays out."""
    weighed = []
    for part in asked.split(",")[:_MOST_ASKED]:
        tag, separator, parameter = part.partition(";")
        weight = _WEIGHT.fullmatch(parameter) if separator else None
        if weight or not separator:
            weighed.append((float(weight[1]) if weight else 1.0, tag.strip().lower().partition("-")[0]))
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight]


def refusal(code: Code, language: str) -> str:
    """Why it did not work, as a sentence."""
    if language not in _REFUSALS:
        return CATALOGUE[code].title
    return _REFUSALS[language].get(code, _OTHERWISE[language])


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
