// The tray: shows what the emulator says (server-sent events) and presses its buttons (POST /api/...).

const $ = (selector, within = document) => within.querySelector(selector);
const MOST_SHOWN = 400;
const FEW_CARDS = 12;
const SHOWN_MS = 6000;
const ANSWERS_NO = new Set(["6A81", "6A82", "6A86", "6A88", "6D00"]);

let overview = { readers: [], cards: [] };
let kinds = [];
let faultsOf = null; // the card whose faults the dialog shows
const cards = new Map(); // elements by name
const readers = new Map(); // elements by number

// ---- Buttons

async function press(command, fields = {}) {
  try {
    const answer = await fetch(`/api/${command}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    return await answer.json();
  } catch {
    return { ok: false, error: "The emulator does not answer. Is it running?" };
  }
}

let fading = 0;

function notice(text, isError = false) {
  clearTimeout(fading);
  if (!isError) fading = setTimeout(() => notice("", true), SHOWN_MS);
  $("#notice").textContent = text;
  $("#notice").classList.toggle("error", isError);
}

async function move(name, reader) {
  const from = readerOf(name);
  if (from !== undefined && reader === undefined) {
    said(await press("remove", { reader: from }), `${name} was pulled.`);
  } else {
    const target = reader ?? freeReader();
    said(await press("insert", { card: name, reader: target }), `${name} is in ${title(target)}.`);
  }
}

async function unlock(name) {
  said(await press("unlock", { card: name }), `${name} has all its tries again.`);
}

function said(answer, success) {
  notice(answer.ok ? success : answer.error, !answer.ok);
}

const readerOf = (name) => overview.readers.findIndex((reader) => reader.card === name) + 1 || undefined;
const number = (place) => place + 1;
const title = (reader) => (overview.readers.length > 1 ? `reader ${reader}` : "the reader");
const freeReader = () => number(Math.max(0, overview.readers.findIndex((reader) => !reader.card)));

// ---- Cards and readers

function show(said) {
  overview = said;
  const focused = document.activeElement;
  $("#readers-title").textContent = overview.readers.length > 1 ? "Readers" : "Reader";
  overview.readers.forEach((reader, place) => showReader(reader, number(place)));
  const names = new Set(overview.cards.map((card) => card.name));
  for (const [name, element] of cards) if (!names.has(name)) (element.remove(), cards.delete(name));
  overview.cards.forEach(showCard);
  $("#filter-label").hidden = overview.cards.length <= FEW_CARDS;
  filter();
  if (focused?.isConnected) focused.focus({ preventScroll: true });
  if (faultsOf) showFaults();
}

function showReader(reader, place) {
  let element = readers.get(place);
  if (!element) {
    element = $("#reader-template").content.firstElementChild.cloneNode(true);
    readers.set(place, element);
    $("#readers").append(element);
    receiveDrops(element, place);
  }
  $(".place", element).textContent = overview.readers.length > 1 ? `Reader ${place}` : "";
  $(".place", element).hidden = overview.readers.length === 1;
  $(".where", element).textContent = where(reader);
  $(".empty", element).hidden = Boolean(reader.card);
}

function where(reader) {
  if (!reader.card || reader.connected) return `At ${reader.reader}`;
  return `No reader listens at ${reader.reader}. Is pcscd with vpcd running?`;
}

function showCard(card) {
  const element = cards.get(card.name) ?? newCard(card.name);
  const reader = readerOf(card.name);
  const home = reader ? $(".slot", readers.get(reader)) : $("#tray");
  if (element.parentElement !== home) home.append(element);
  $(".name", element).textContent = card.name;
  $(".uid", element).textContent = card.uid ?? "";
  write($(".tries", element), card.problem ?? tries(card.tries_left), card.problem || card.tries_left < 2);
  write($(".until", element), until(card.not_after), ended(card.not_after));
  $(".move", element).textContent = reader ? "Pull out" : "Put in";
  $(".move", element).setAttribute("aria-label", reader ? `Pull ${card.name} out` : `Put ${card.name} in`);
  $(".wrong", element).setAttribute("aria-label", `Faults of ${card.name}`);
  $(".badges", element).replaceChildren(...card.faults.map(badge));
  $(".unlock", element).hidden = card.tries_left !== 0;
  $(".unlock", element).setAttribute("aria-label", `Give ${card.name} all its tries back`);
  if (!reader) keepOrder(element);
}

function newCard(name) {
  const element = $("#card-template").content.firstElementChild.cloneNode(true);
  cards.set(name, element);
  element.addEventListener("click", ({ target }) => {
    if (target.closest(".wrong")) openFaults(name);
    else if (target.closest(".unlock")) unlock(name);
    else move(name);
  });
  element.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData("text/plain", name);
    element.classList.add("dragged");
  });
  element.addEventListener("dragend", () => element.classList.remove("dragged"));
  return element;
}

function badge(fault) {
  const element = make("span", [fault.kind, fault.values.wrong ?? fault.values.word].filter(Boolean).join(" "));
  element.title = fault.says;
  return element;
}

function keepOrder(element) {
  const order = overview.cards.map((card) => cards.get(card.name)).filter((e) => e?.parentElement === $("#tray"));
  const next = order[order.indexOf(element) + 1] ?? null;
  if (element.nextElementSibling !== next) $("#tray").insertBefore(element, next);
}

function receiveDrops(element, place) {
  element.addEventListener("dragover", (event) => (event.preventDefault(), element.classList.add("over")));
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    const name = event.dataTransfer.getData("text/plain");
    if (cards.has(name)) move(name, place);
  });
}

$(".table").addEventListener("dragover", (event) => event.preventDefault());
$(".table").addEventListener("drop", (event) => {
  const name = event.dataTransfer.getData("text/plain");
  if (!event.target.closest(".reader") && readerOf(name)) move(name);
});

function write(element, text, isBad) {
  element.textContent = text;
  element.classList.toggle("bad", Boolean(isBad));
}

function tries(left) {
  if (left === null) return "";
  if (left === 0) return "Locked: no tries left";
  return left === 1 ? "1 try left" : `${left} tries left`;
}

const ended = (date) => date && new Date(`${date}T23:59:59Z`) < new Date();
const until = (date) => (date ? `${ended(date) ? "Expired" : "Until"} ${day(date)}` : "No certificate");
const day = (date) => new Date(date).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });

function filter() {
  const wanted = $("#filter").value.trim().toLowerCase();
  for (const [name, element] of cards) {
    const uid = $(".uid", element).textContent;
    element.hidden = !readerOf(name) && !`${name} ${uid}`.toLowerCase().includes(wanted);
  }
}

$("#filter").addEventListener("input", filter);

// ---- The conversation

let waiting = [];

function hear(entry) {
  if (waiting.push(entry) === 1) requestAnimationFrame(tell);
}

function tell() {
  const fresh = waiting.slice(-MOST_SHOWN).map(entryElement).reverse();
  waiting = [];
  $("#silence").hidden = true;
  $("#said").prepend(...fresh);
  while ($("#said").childElementCount > MOST_SHOWN) $("#said").lastElementChild.remove();
}

function entryElement(entry) {
  const element = make("li", "", "said new");
  if (!entry.command) {
    element.classList.add("event");
    element.append(make("p", `${entry.says}: ${entry.card}`));
    return element;
  }
  element.classList.add(outcome(entry));
  const summary = make("summary");
  const tech = make("span", "", "tech");
  const faults = entry.faults.length ? `, fault: ${entry.faults.join(", ")}` : "";
  tech.append(
    `${time(entry.time)}  ${entry.command} \u2192 `,
    make("span", `${entry.status} ${entry.meaning}`.trim(), "outcome"),
    `, ${entry.answer_bytes} bytes, ${milliseconds(entry.milliseconds)} ms${faults}`,
  );
  summary.append(make("span", entry.says, "says"), tech);
  const details = make("details");
  const answer = [entry.answer, entry.status.replace(/(..)(..)/, "$1 $2")].filter(Boolean).join(" ");
  details.append(summary, make("pre", `${entry.card}\n> ${entry.apdu}\n< ${answer || "nothing"}`));
  element.append(details);
  return element;
}

// A question that is answered with no is no failure: programs ask for much that a card may not have.
function outcome(entry) {
  if (/^(9000|61..)$/.test(entry.status)) return "done";
  return asksForTriesLeft(entry) || ANSWERS_NO.has(entry.status) ? "no" : "refused";
}

// VERIFY of a header alone, or with a length of 0, tries nothing.
const asksForTriesLeft = ({ apdu }) => /^00 20 00 ..( ..)?$/.test(apdu);

const milliseconds = (value) => value.toFixed(value < 10 ? 2 : 0);
const time = (text) => new Date(text).toLocaleTimeString("en-GB");

function make(tag, text = "", classes = "") {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (classes) element.className = classes;
  return element;
}

$("#clear").addEventListener("click", () => {
  $("#said").replaceChildren();
  $("#silence").hidden = false;
});

// ---- Faults

const LABELS = {
  instruction: "Which commands",
  nth: "From which of them on (1 is the next)",
  times: "How many of them",
  word: "Status word, in hex",
  missing: "Bytes that are missing",
  status: "Keep the status word",
  extra: "Bytes too many",
  command: "Milliseconds for each command",
  signature: "Milliseconds more for a signature",
  answer: "Answer to reset, in hex",
  wrong: "What is wrong with it",
  key: "Key",
  left: "Tries left",
};

async function openFaults(name) {
  faultsOf = name;
  if (!kinds.length) kinds = (await press("kinds")).kinds ?? [];
  $("#kind").replaceChildren(...kinds.map((kind) => new Option(kind.explanation, kind.kind)));
  $("#faults-title").textContent = `Faults of ${name}`;
  showFields();
  showFaults();
  $("#faults").showModal();
  $("#kind").focus();
}

function showFaults() {
  const faults = overview.cards.find((card) => card.name === faultsOf)?.faults ?? [];
  $("#faults-none").hidden = faults.length > 0;
  $("#faults-set").replaceChildren(...faults.map((fault) => {
    const item = make("li");
    const mend = make("button", "Mend", "plain");
    mend.type = "button";
    mend.setAttribute("aria-label", `Mend: ${fault.says}`);
    mend.addEventListener("click", async () => {
      tellFault(await press("fault", { card: faultsOf, clear: fault.kind }));
      $("#kind").focus();
    });
    item.append(make("span", fault.says), mend);
    return item;
  }));
}

function showFields() {
  const kind = kinds.find((one) => one.kind === $("#kind").value);
  if (!kind) return;
  const fields = kind.fields.map((field) => labelled(LABELS[field.name] ?? field.name, input(field)));
  const presets = Object.entries(kind.presets);
  if (presets.length) fields.unshift(labelled("Feels like", presetChoice(presets)));
  $("#fields").replaceChildren(...fields);
}

function input(field) {
  let element;
  if (field.choices.length) {
    element = make("select");
    const words = { true: "yes", false: "no" };
    element.append(...field.choices.map((choice) => new Option(words[choice] ?? choice.replaceAll("_", " "), choice)));
  } else {
    element = make("input");
    element.inputMode = typeof field.usual === "number" ? "numeric" : "text";
    element.autocomplete = "off";
  }
  element.value = String(field.usual);
  element.name = field.name;
  return element;
}

function presetChoice(presets) {
  const element = make("select");
  element.append(...presets.map(([name, values]) => new Option(`${name.replace("-", " ")} card`, values.join())));
  element.addEventListener("change", () => {
    const [command, signature] = element.value.split(",");
    $("[name=command]").value = command;
    $("[name=signature]").value = signature;
  });
  return element;
}

function labelled(text, element) {
  const label = make("label", text);
  label.append(element);
  return label;
}

function tellFault(answer) {
  $("#fault-error").textContent = answer.ok ? "" : answer.error;
  if (answer.ok) notice(answer.faults.length ? `${answer.card} has a fault now.` : `Nothing is wrong with ${answer.card}.`);
}

$("#kind").addEventListener("change", showFields);
$("#close").addEventListener("click", () => $("#faults").close());
$("#faults").addEventListener("close", () => {
  $(".wrong", cards.get(faultsOf) ?? document)?.focus();
  faultsOf = null;
  $("#fault-error").textContent = "";
});
$("#fault-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = Object.fromEntries([...$("#fields").querySelectorAll("[name]")].map((e) => [e.name, e.value]));
  tellFault(await press("fault", { card: faultsOf, kind: $("#kind").value, values }));
});

// ---- What the emulator says

const events = new EventSource("/events");
events.addEventListener("overview", (event) => show(JSON.parse(event.data)));
events.addEventListener("said", (event) => hear(JSON.parse(event.data)));
events.addEventListener("open", () => {
  if ($("#notice").dataset.lost) notice("");
  delete $("#notice").dataset.lost;
});
events.addEventListener("error", () => {
  $("#notice").dataset.lost = "yes";
  notice("The emulator has ended. This page comes back when it does.", true);
});
