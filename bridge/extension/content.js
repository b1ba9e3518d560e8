// Runs in a listed page, apart from its scripts: passes requests on, and answers back. What they say of themselves
// is of no account: the browser tells the extension which page this is.
"use strict";

(() => {
  const api = globalThis.browser ?? globalThis.chrome;
  let port = null;
  const waiting = new Set();

  function answer(message) {
    waiting.delete(message.id);
    document.dispatchEvent(new CustomEvent("lanyard-answer", { detail: JSON.stringify(message) }));
  }

  function ended() {
    port = null;
    const errorDescription = "Lanyard's extension ended before it answered. Load the page again.";
    for (const id of waiting) answer({ id, errorCode: 200, errorDescription });
  }

  function connect() {
    const connected = api.runtime.connect();
    connected.onMessage.addListener(answer);
    connected.onDisconnect.addListener(ended);
    return connected;
  }

  // A page that is left may be kept for the Back button: the agent must not go on asking for it.
  window.addEventListener("pagehide", () => {
    port?.disconnect();
    ended();
  });

  function pass(event) {
    const { id, method } = JSON.parse(event.detail);
    waiting.add(id);
    try {
      port ??= connect();
      port.postMessage({ id, method });
    } catch {
      ended(); // The extension was updated or taken away.
    }
  }

  document.addEventListener("lanyard-request", (event) => {
    // A page that a browser loads ahead of time asks when it is shown.
    if (document.prerendering) document.addEventListener("prerenderingchange", () => pass(event), { once: true });
    else pass(event);
  });
})();
