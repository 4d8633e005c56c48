"""Pressing "Begin virtual visit": from an FDI record to a launch URL (1.2 to 1.4)."""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from sandbox import world
from sandbox.epic import mnemonics
from sandbox.epic.hospital import Appointment, Instance, Launch
from sandbox.epic.records import USER_TYPES, FdiRecord, LaunchOrder
from sandbox.epic.signing import opaque
from sandbox.world import EpicUser


class CannotLaunch(Exception):
    """Epic has no button for this; the text says why."""


@dataclass(frozen=True)
class Started:
    """A launch ready to be sent, as a GET or as a form POST."""

    launch_url: str
    iss: str
    launch: str

    @property
    def url(self) -> str:
        """The launch URL for a GET; it may have had a query of its own."""
        joint = "&" if urlsplit(self.launch_url).query else "?"
        return f"{self.launch_url}{joint}{urlencode({'iss': self.iss, 'launch': self.launch})}"


def start(instance: Instance, order: LaunchOrder) -> Started:
    """Mint a one-time launch token for this user and visit.

    Raises CannotLaunch for an unknown user, visit or FDI record, and for a visit that is not this patient's.
    """
    user = _user(order.user)
    appointment = _appointment(instance, order)
    patient = _patient(user, order, appointment)
    conference = order.conference or (appointment.conference if appointment else order.csn)
    fdi = _fdi(instance, _role(user, order), group=conference != order.csn)
    known = mnemonics.values(user, patient, order.csn, conference, appointment)
    iss = instance.dstu2 if order.iss == "DSTU2" else instance.r4
    launch = Launch(
        user, fdi.client_id, iss, patient, appointment, mnemonics.fill(fdi.context, known), order.omit, order.extra
    )
    instance.conferences.setdefault(conference, set()).update({patient.key} if patient else ())
    token = opaque("launch")
    instance.launches[token] = launch
    empty = order.empty_launch or instance.options.empty_launch
    return Started(str(fdi.launch_url), iss, "" if empty else token)


def _user(key: str) -> EpicUser:
    if key not in world.EPIC_USERS:
        raise CannotLaunch("unknown user")
    return world.EPIC_USERS[key]


def _role(user: EpicUser, order: LaunchOrder) -> str:
    """Hyperspace shows staff the provider's button, MyChart shows patients theirs."""
    role = next(role for role, kinds in USER_TYPES.items() if user.kind in kinds)
    if order.role not in (None, role):
        raise CannotLaunch("this user does not see that button")
    return role


def _appointment(instance: Instance, order: LaunchOrder) -> Appointment | None:
    found = instance.appointments.get(order.csn)
    if found is None and not order.ad_hoc:
        raise CannotLaunch("unknown CSN; ad_hoc says that there is no appointment")
    return found


def _patient(user: EpicUser, order: LaunchOrder, appointment: Appointment | None) -> EpicUser | None:
    own = mnemonics.patient_of(user)
    booked = appointment.patient if appointment else None
    if own and booked and own != booked:
        raise CannotLaunch("not this patient's visit")
    return booked or own or (_user(order.patient) if order.patient else None)


def _fdi(instance: Instance, role: str, *, group: bool) -> FdiRecord:
    if (role, group) not in instance.fdis:
        raise CannotLaunch(f"no FDI record for {role}{' in a group' if group else ''}")
    return instance.fdis[role, group]
