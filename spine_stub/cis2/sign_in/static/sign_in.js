// Signs in with a smartcard: asks the agent for a ticket, and hands it on with the page's own form. Sends each form once.
/* global getTicket */
"use strict";

const card = document.getElementById("card");
let asking = null;

function show(id, says) {
  for (const state of card.querySelectorAll(".state")) state.hidden = state.id !== id;
  const shown = document.getElementById(id);
  if (says && shown.querySelector(".says")) shown.querySelector(".says").textContent = says;
  if (id !== "ready") shown.querySelector("h2").focus();
}

async function ask() {
  asking?.abort();
  const { signal } = (asking = new AbortController());
  show("asking");
  try {
    const ticket = await getTicket(card.dataset.bridge, signal);
    if (signal.aborted) return;
    card.querySelector("[name=ticket]").value = ticket;
    card.querySelector("#hand-on").submit();
  } catch (problem) {
    if (!signal.aborted) show(problem.state || "no-bridge", problem.says);
  }
}

function stop() {
  asking?.abort();
  show("ready");
  card.querySelector("#ready .go").focus();
}

// Whoever comes back by the browser's Back button finds no ticket in the page.
function forget() {
  card.querySelector("[name=ticket]").value = "";
  if (asking) stop();
}

// A second click while the first is under way would ask for an answer that is given already.
function sendOnce(form) {
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
  window.addEventListener("pageshow", () => (isSent = false));
}

for (const form of document.querySelectorAll("form[method=post]")) sendOnce(form);
if (card) {
  card.querySelector(".origin").textContent = location.origin;
  for (const button of card.querySelectorAll(".go")) button.addEventListener("click", ask);
  card.querySelector(".stop").addEventListener("click", stop);
  window.addEventListener("pagehide", forget);
  card.hidden = false;
}
