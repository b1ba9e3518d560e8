// Signs in: asks the agent for a ticket and hands it on once.
/* global Problem, getTicket */
"use strict";

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
      const ticket = await getTicket(states.dataset.bridge, signal);
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
