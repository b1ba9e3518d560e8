// The program on this PC that asks the agent: connecting to it, and a name for each way in which that fails.

const api = globalThis.browser ?? globalThis.chrome;
const HOST = "uk.nhs.ncrs.auth";
const PROTOCOL = 1;
const ADVICE = "Run lanyard-bridge doctor on this PC.";

// Codes beside those of TicketAPI and of the program itself; 200 and 201 are those of the Windows agent's extension.
export const NO_RESPONSE = 200;
export const INVALID = 201;
export const ORIGIN_REFUSED = 300;
const NOT_FOUND = 310;
const FORBIDDEN = 311;
const POLICY = 312;
const NOT_STARTED = 313;

// What Chromium says, and Firefox, which does not tell a missing program from one that may not be started.
const CAUSES = [
  ["disabled by the system administrator", POLICY, "This browser's policy forbids Lanyard's program on this PC."],
  ["host is forbidden", FORBIDDEN, "Lanyard's program on this PC is for an extension with another id."],
  ["host not found", NOT_FOUND, "Lanyard's program is not installed on this PC, or not where this browser looks."],
  ["No such native application", NOT_FOUND, "Lanyard's program is not installed on this PC for this browser."],
  ["Failed to start", NOT_STARTED, "Lanyard's program on this PC cannot be started."],
];

export function refusal(errorCode, errorDescription) {
  return { errorCode, errorDescription };
}

function cause(message) {
  const [, code, sentence] = CAUSES.find(([words]) => message.includes(words)) ?? [
    "",
    NO_RESPONSE,
    "Lanyard's program on this PC did not start, or ended before it answered.",
  ];
  return refusal(code, `${sentence} ${ADVICE}`);
}

/** A port to the program. Each request is answered with its reply, or with a refusal: an answer never stays out. */
export class Host {
  #port = null;
  #waiting = new Map();
  #number = 0;
  #isClosed = false;

  /** Ask, and return a promise of {success, data} or {errorCode, errorDescription}. */
  ask(method, more = {}) {
    const id = ++this.#number;
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve(cause(""));
      this.#waiting.set(id, resolve);
      try {
        this.#port ??= this.#connect();
        this.#port.postMessage({ method, data: {}, ...more, id, protocol: PROTOCOL });
      } catch (error) {
        this.#end(String(error));
      }
    });
  }

  /** Hang up for good: whoever asked has gone, and nobody is to be asked for them any more. */
  close() {
    this.#isClosed = true;
    this.#port?.disconnect();
    this.#end("");
  }

  #connect() {
    const port = api.runtime.connectNative(HOST);
    port.onMessage.addListener((answer) => this.#answer(answer));
    port.onDisconnect.addListener((ended) => {
      this.#end(ended.error?.message ?? api.runtime.lastError?.message ?? "");
    });
    return port;
  }

  #answer(answer) {
    const resolve = this.#waiting.get(answer?.id);
    this.#waiting.delete(answer?.id);
    const isAnswer = answer?.success === true || Number.isInteger(answer?.errorCode);
    resolve?.(isAnswer ? answer : refusal(INVALID, `Lanyard's program on this PC gave an invalid answer. ${ADVICE}`));
  }

  #end(message) {
    this.#port = null;
    for (const resolve of this.#waiting.values()) resolve(cause(message));
    this.#waiting.clear();
  }
}

/** Ask one question and hang up. */
export async function askOnce(method) {
  const host = new Host();
  try {
    return await host.ask(method);
  } finally {
    host.close();
  }
}
