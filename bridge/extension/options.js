// The options page: which pages may ask, who listed them, and whether the program on this PC answers.

import { askOnce } from "./host.js";
import { parseOrigin, readOrigins } from "./origins.js";

const api = globalThis.browser ?? globalThis.chrome;
const byId = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = Object.assign(document.createElement(tag), { className });
  made.textContent = text;
  return made;
}

function showList(id, origins, pc, remove) {
  const items = origins.map((origin) => {
    const item = document.createElement("li");
    const name = element("span", "name", origin);
    if (pc && !pc.includes(origin)) name.append(element("span", "refused", "bridge.toml does not name it"));
    item.append(name);
    if (remove) {
      const button = element("button", "plain", "Remove");
      button.setAttribute("aria-label", `Remove ${origin}`);
      button.addEventListener("click", () => remove(origin));
      item.append(button);
    }
    return item;
  });
  byId(id).querySelector("ul").replaceChildren(...items);
}

async function show() {
  const { managed, pc, own } = await readOrigins();
  byId("managed").hidden = managed === null;
  byId("pc").hidden = managed !== null || !pc.length;
  byId("own").hidden = managed !== null;
  showList("managed", managed ?? [], pc);
  showList("pc", pc);
  showList("own", own, pc, (origin) => api.storage.local.set({ own: own.filter((each) => each !== origin) }));
}

function showState(className, title, text) {
  byId("state").className = className;
  byId("state-title").textContent = title;
  byId("state-text").textContent = text;
}

async function look() {
  const [version, origins] = [await askOnce("getBridgeVersion"), await askOnce("getOrigins")];
  const ours = api.runtime.getManifest().version;
  byId("versions").textContent = `Extension ${ours}` + (version.success ? `, on this PC ${version.data.version}` : "");
  if (!version.success) return showState("bad", "Lanyard on this PC does not answer", version.errorDescription);
  if (!origins.success) return showState("bad", "This PC’s settings cannot be read", origins.errorDescription);
  await api.storage.local.set({ pc: origins.data.origins });
  if (!origins.data.origins.length) {
    return showState("bad", "No page may ask yet", "Name pages in /etc/lanyard/bridge.toml: origins = [\"https://app.example\"]");
  }
  return showState("good", "Lanyard on this PC is ready", "");
}

function showError(sentence) {
  byId("origin-error").textContent = sentence;
  byId("origin-error").hidden = !sentence;
  byId("origin").setAttribute("aria-invalid", String(Boolean(sentence)));
}

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("origin");
  try {
    const origin = parseOrigin(field.value.trim());
    const { own } = await readOrigins();
    await api.storage.local.set({ own: [...own, origin] });
    field.value = "";
    showError("");
  } catch (error) {
    showError(error.message);
    field.focus();
  }
});

api.storage.onChanged.addListener(show);
await show();
await look();
