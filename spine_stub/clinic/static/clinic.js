// Signs in: asks the agent for a ticket, by its extension or else by its bridge on this machine, and hands it on once.
"use strict";

const NO_AGENT = 0x80800003; // TicketAPI: no server found

class Problem extends Error {
  constructor(state, says = "") {
    super(state);
    this.state = state;
    this.says = says;
  }
}

function byExtension() {
  return new Promise((resolve, reject) => {
    window.nhsAuth.getToken((error, ticket) => {
      if (!error && typeof ticket === "string" && ticket) return resolve(ticket);
      reject(new Problem("no-ticket", (error && (error.errorDescription || error.message)) || ""));
    });
  });
}

async function mayReachThisMachine() {
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      return (await navigator.permissions.query({ name })).state !== "denied";
    } catch {
      // this browser has no such permission
    }
  }
  return true;
}

async function reach(address, options) {
  try {
    return await fetch(address, { credentials: "omit", cache: "no-store", targetAddressSpace: "loopback", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem((await mayReachThisMachine()) ? "no-bridge" : "forbidden");
  }
}

async function byBridge(bridge, signal) {
  await reach(`${bridge}/health`, { mode: "no-cors", signal }); // a plain request first: it raises the browser's question
  const reply = await reach(`${bridge}/ticket`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Lanyard": "1" },
    body: JSON.stringify({ method: "getTicket" }),
    signal,
  }).catch((problem) => {
    // The bridge is there, for /health came; so this page is not on its list.
    throw problem.state === "no-bridge" ? new Problem("not-listed") : problem;
  });
  const said = await reply.json().catch(() => ({}));
  if (reply.ok && said.ticket) return said.ticket;
  if (said.code === NO_AGENT) throw new Problem("no-bridge");
  throw new Problem("no-ticket", said.says);
}

async function handOn(ticket, signal) {
  let reply;
  try {
    const headers = { "Content-Type": "application/json" };
    reply = await fetch("/session", { method: "POST", headers, body: JSON.stringify({ ticket }), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("broker-away");
  }
  if (!reply.ok) throw new Problem((await reply.json().catch(() => ({}))).state || "refused");
}

function signIn(states) {
  let asking = null;

  function show(id, says) {
    for (const section of states.querySelectorAll(".state")) section.hidden = section.id !== id;
    const shown = document.getElementById(id);
    if (says && shown.querySelector(".says")) shown.querySelector(".says").textContent = says;
    if (id !== "signed-out") shown.querySelector("h1").focus();
  }

  async function ask() {
    asking?.abort();
    const { signal } = (asking = new AbortController());
    show("asking");
    try {
      const ticket = window.nhsAuth ? await byExtension() : await byBridge(states.dataset.bridge, signal);
      if (signal.aborted) return;
      await handOn(ticket, signal);
      location.assign("/");
    } catch (problem) {
      if (signal.aborted) return;
      show(problem.state || "no-bridge", problem.says);
    }
  }

  function stop() {
    asking?.abort();
    show("signed-out");
    states.querySelector("#signed-out .go").focus();
  }

  states.querySelector(".origin").textContent = location.origin;
  for (const button of states.querySelectorAll(".go")) button.addEventListener("click", ask);
  states.querySelector(".stop").addEventListener("click", stop);
}

// Whoever comes back to an open page sees at once whether it is still theirs.
async function lookAgain() {
  if (document.visibilityState !== "visible") return;
  const reply = await fetch("/session", { cache: "no-store" }).catch(() => null);
  if (!reply || !reply.ok) location.reload();
}

const states = document.getElementById("states");
if (states) signIn(states);
if ("visit" in document.body.dataset) document.addEventListener("visibilitychange", lookAgain);
