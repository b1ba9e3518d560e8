// Which pages may ask: from the organisation's policy, from this PC's settings, from the options page.
// Whatever is listed here, the program on this PC has the last word: it refuses what its own settings do not name.

const api = globalThis.browser ?? globalThis.chrome;
const LOOPBACK = ["localhost", "127.0.0.1"];
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:]+\])$/;

/** Return a web origin as browsers write it. Throws an Error with a sentence for people. */
export function parseOrigin(text) {
  let url;
  try {
    url = new URL(text.includes("://") ? text : `https://${text}`);
  } catch {
    throw new Error("This is not a web address.");
  }
  if (url.protocol !== "https:" && !(url.protocol === "http:" && LOOPBACK.includes(url.hostname))) {
    throw new Error("The address must begin with https://.");
  }
  if (url.username || url.password || url.pathname !== "/" || url.search || url.hash) {
    throw new Error("Give the address up to the first single slash only, such as https://app.example.");
  }
  if (!HOST.test(url.hostname)) {
    throw new Error("Name one host in full: * stands for nothing here.");
  }
  return url.origin;
}

/** Return the origins of a list that are well written, each once. */
function proper(list) {
  const origins = [];
  for (const each of Array.isArray(list) ? list : []) {
    try {
      origins.push(parseOrigin(String(each)));
    } catch {
      // What is no origin can allow nobody.
    }
  }
  return [...new Set(origins)].sort();
}

/**
 * Return the lists: `managed` is null without a policy, `pc` what the program on this PC said last, `own` what was
 * added on the options page; `all` is what is in force.
 */
export async function readOrigins() {
  // Firefox rejects where there is no policy.
  const policy = await api.storage.managed.get("origins").catch(() => ({}));
  const managed = policy.origins === undefined ? null : proper(policy.origins);
  const stored = await api.storage.local.get(["pc", "own"]);
  const [pc, own] = [proper(stored.pc), proper(stored.own)];
  return { managed, pc, own, all: managed ?? proper([...pc, ...own]) };
}

/** Return the pattern by which a browser injects scripts into an origin's pages. Firefox has none for ports. */
export function pattern(origin) {
  const url = new URL(origin);
  const isFirefox = "getBrowserInfo" in api.runtime;
  return `${url.protocol}//${isFirefox ? url.hostname : url.host}/*`;
}
