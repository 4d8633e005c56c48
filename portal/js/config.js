// What the page knows of this stamp: api, authority, clientId, scope. Written by portal/release.py; nothing secret.

const answer = await fetch("config.json");

export const config = Object.freeze(await answer.json());
