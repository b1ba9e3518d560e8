// Gives listed pages `window.nhsAuth`, and carries their requests to the program on this PC.
// The origin of a request is what the browser says of its sender, never what a page says. No ticket is kept.

import { askOnce, Host, INVALID, ORIGIN_REFUSED, refusal } from "./host.js";
import { pattern, readOrigins } from "./origins.js";

const api = globalThis.browser ?? globalThis.chrome;
const METHODS = ["getToken", "getTokenNoAuth", "getBridgeVersion", "getAdaptorVersion"];

/** Have the two scripts run in listed pages' top frames, and nowhere else. */
async function registerScripts() {
  const { all } = await readOrigins();
  const ids = ["content", "page"];
  const registered = (await api.scripting.getRegisteredContentScripts({ ids })).map((script) => script.id);
  if (registered.length) await api.scripting.unregisterContentScripts({ ids: registered });
  if (!all.length) return;
  const matches = [...new Set(all.map(pattern))];
  const common = { matches, runAt: "document_start", allFrames: false };
  await api.scripting.registerContentScripts([
    { ...common, id: "content", js: ["content.js"], world: "ISOLATED" },
    { ...common, id: "page", js: ["page.js"], world: "MAIN" },
  ]);
}

// One after another: two at once would register the same script twice.
let registering = Promise.resolve();
function register() {
  registering = registering.then(registerScripts).catch((error) => console.error("Lanyard:", error));
  return registering;
}

/** Learn which pages this PC's settings name. */
async function learnOrigins() {
  const answer = await askOnce("getOrigins");
  if (answer.success) await api.storage.local.set({ pc: answer.data.origins });
  await register();
}

function originOf(sender) {
  try {
    return new URL(sender.origin ?? sender.url).origin;
  } catch {
    return "null";
  }
}

async function answer(host, sender, method) {
  if (!METHODS.includes(method)) return refusal(INVALID, "Lanyard knows no such request.");
  const origin = originOf(sender);
  if (sender.frameId !== 0 || sender.documentLifecycle === "prerender") {
    return refusal(ORIGIN_REFUSED, "Only a page that is shown may ask, and no frame in it.");
  }
  const { all } = await readOrigins();
  if (!all.includes(origin)) return refusal(ORIGIN_REFUSED, `Pages of ${origin} are not listed in this browser.`);
  if (method === "getAdaptorVersion") return { success: true, data: { version: api.runtime.getManifest().version } };
  return host.ask(method, { origin });
}

// A page has a program of its own: when the page goes, the agent stops asking the person for it.
api.runtime.onConnect.addListener((page) => {
  const host = new Host();
  page.onMessage.addListener(async ({ id, method }) => {
    const { success, data, errorCode, errorDescription } = await answer(host, page.sender, method);
    try {
      page.postMessage({ id, success, data, errorCode, errorDescription });
    } catch {
      // The page has gone meanwhile.
    }
  });
  page.onDisconnect.addListener(() => host.close());
});

api.runtime.onInstalled.addListener(learnOrigins);
api.runtime.onStartup.addListener(learnOrigins);
api.storage.onChanged.addListener(register);
api.action.onClicked.addListener(() => api.runtime.openOptionsPage());
