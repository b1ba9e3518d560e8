// Asks the agent for a ticket, by its extension or else by its bridge on this machine. Pages load it before their own script.
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

// A ticket, or a Problem: no-bridge, forbidden, not-listed or no-ticket.
function getTicket(bridge, signal) {
  return window.nhsAuth ? byExtension() : byBridge(bridge, signal);
}
