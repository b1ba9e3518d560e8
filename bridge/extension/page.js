// Runs among a listed page's own scripts, before them: `window.nhsAuth`, as pages know it from the Windows agent.
// Each function takes a callback (err, value); err is null, or {errorCode, errorDescription}.
"use strict";

(() => {
  const waiting = new Map();
  let number = 0;

  function ask(method, value, callback) {
    if (typeof callback !== "function") throw new TypeError(`nhsAuth.${method} needs a function (err, value)`);
    const id = ++number;
    waiting.set(id, { value, callback });
    document.dispatchEvent(new CustomEvent("lanyard-request", { detail: JSON.stringify({ id, method }) }));
  }

  document.addEventListener("lanyard-answer", (event) => {
    const { id, success, data, errorCode, errorDescription } = JSON.parse(event.detail);
    const asked = waiting.get(id);
    if (!waiting.delete(id)) return;
    if (success) asked.callback(null, data[asked.value]);
    else asked.callback({ errorCode, errorDescription });
  });

  const nhsAuth = {
    getToken: (callback) => ask("getToken", "tokenId", callback),
    getTokenNoAuth: (callback) => ask("getTokenNoAuth", "tokenId", callback),
    getBridgeVersion: (callback) => ask("getBridgeVersion", "version", callback),
    getAdaptorVersion: (callback) => ask("getAdaptorVersion", "version", callback),
  };
  Object.defineProperty(window, "nhsAuth", { value: Object.freeze(nhsAuth), enumerable: true });
})();
