"use strict";

const meeting = document.body.dataset.meeting;
const at = (id) => document.getElementById(id);
const remembered = `participant of ${meeting}`;
const POLL_MS = 1000;

async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error ?? "That did not work.");
  return document;
}

/** Do something, show what went wrong, then show how things stand. */
async function act(work) {
  at("problem").textContent = "";
  try {
    await work();
  } catch (problem) {
    at("problem").textContent = problem.message;
  }
  await refresh();
}

const me = () => sessionStorage.getItem(remembered);
const post = (path, body = {}) => act(() => call("POST", path, body));
const change = (id, what) => post(`/teams/participants/${id}/${what}`, { by: me() });

function button(text, kind, onclick) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.className = kind;
  made.onclick = onclick;
  return made;
}

/** One line of a list, kept while the person stays, so that a click never meets a line being replaced. */
function list(into, people, buttons) {
  const wanted = new Set(people.map((one) => one.participant));
  for (const line of [...into.children]) if (!wanted.has(line.dataset.participant)) line.remove();
  const shown = new Set([...into.children].map((line) => line.dataset.participant));
  for (const one of people.filter((person) => !shown.has(person.participant))) {
    const line = document.createElement("li");
    const name = document.createElement("span");
    line.dataset.participant = one.participant;
    name.textContent = one.kind === "guest" ? `${one.name} (Unverified)` : one.name;
    line.append(name, ...buttons(one));
    into.append(line);
  }
}

function show(room) {
  const mine = room.participants.find((one) => one.participant === me());
  const inState = (state) => room.participants.filter((one) => one.state === state);
  const where = mine?.state ?? "outside";
  const words = { in: "You are in the meeting", lobby: "You are in the lobby", left: "You left the meeting",
    removed: room.state === "ended" ? "The meeting has ended" : "You were removed from the meeting" };
  at("state").textContent = words[where] ?? { idle: "Nobody is here yet", live: "The meeting is on",
    ended: "The meeting has ended" }[room.state];
  at("join").hidden = where === "in" || where === "lobby";
  at("waiting").hidden = where !== "lobby";
  at("inside").hidden = where !== "in";
  at("lobby").hidden = !(mine?.may_admit && inState("lobby").length);
  at("end").hidden = !mine?.may_end;
  list(at("people"), inState("in"), () => []);
  list(at("lobby-people"), inState("lobby"), (one) => [
    button("Admit", "admit", () => change(one.participant, "admit")),
    button("Deny", "deny", () => change(one.participant, "deny")),
  ]);
}

async function refresh() {
  show(await call("GET", `/teams/meetings/${meeting}`));
}

at("user").onchange = () => { at("guest").hidden = at("user").value !== ""; };
at("join").onsubmit = (event) => {
  event.preventDefault();
  const who = { as: at("user").value || null, name: at("name").value };
  act(async () => {
    const joined = await call("POST", `/teams/meetings/${meeting}/join`, who);
    sessionStorage.setItem(remembered, joined.participant);
    document.cookie = `teams_user=${who.as ?? ""}; path=/; Secure; SameSite=Lax`;
  });
};
at("leave").onclick = at("leave-lobby").onclick = () => change(me(), "leave");
at("end").onclick = () => post(`/teams/meetings/${meeting}/end`, { by: me() });
at("user").onchange();
refresh();
setInterval(() => refresh().catch(() => { at("state").textContent = "Connection lost"; }), POLL_MS);
