// The TLS front of `hl7`: see front.py. Arguments: port, address of the host behind, certificate, key.
// It writes no log: paths and headers are none of its business.
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";

const [port, behind, cert, key] = process.argv.slice(2);
const upstream = new URL(behind);
// Set here or meant for one hop only; a client's own X-ARR-ClientCert is a forgery.
const NOT_PASSED_ON = new Set([
  "x-arr-clientcert", "x-forwarded-proto", "x-forwarded-for",
  "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect",
]);

function passedOn(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (!NOT_PASSED_ON.has(raw[i].toLowerCase())) kept.push(raw[i], raw[i + 1]);
  }
  return kept;
}

function forwarded(incoming) {
  const from = `${incoming.socket.remoteAddress}:${incoming.socket.remotePort}`;
  const before = incoming.headers["x-forwarded-for"];
  return before ? `${before}, ${from}` : from;
}

function refuse(incoming, outgoing, status) {
  incoming.unpipe();
  incoming.resume();
  outgoing.writeHead(status, { "Content-Length": 0 }).end();
}

function pass(incoming, outgoing, certificate) {
  const headers = passedOn(incoming.rawHeaders);
  headers.push("X-ARR-ClientCert", certificate.raw.toString("base64"));
  headers.push("X-Forwarded-For", forwarded(incoming), "X-Forwarded-Proto", "https", "Connection", "close");
  const { hostname, port: upstreamPort } = upstream;
  const inner = request({ hostname, port: upstreamPort, method: incoming.method, path: incoming.url, headers });
  inner.on("response", (answer) => {
    outgoing.writeHead(answer.statusCode, passedOn(answer.rawHeaders));
    answer.on("error", () => outgoing.destroy());
    answer.pipe(outgoing);
  });
  // App Service answers 503 when the app behind it does not take the request
  inner.on("error", () => (outgoing.headersSent ? outgoing.destroy() : refuse(incoming, outgoing, 503)));
  outgoing.on("close", () => inner.destroy());
  incoming.pipe(inner);
}

const server = createServer({
  cert: readFileSync(cert),
  key: readFileSync(key),
  minVersion: "TLSv1.2",
  requestCert: true,
  rejectUnauthorized: false,
  secureOptions: constants.SSL_OP_NO_TICKET, // a resumed session would come without its certificate
  requestTimeout: 0,
});
server.on("request", (incoming, outgoing) => {
  const certificate = incoming.socket.getPeerCertificate();
  if (certificate?.raw) pass(incoming, outgoing, certificate);
  else refuse(incoming, outgoing, 403);
});
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
