// What the console's pages do by themselves. Everything but the live timeline works without it.
"use strict";

function listen(missed, onSignIn, onState) {
  const source = new EventSource(`/stub/events?${missed}`);
  source.addEventListener("sign-in", (event) => onSignIn(event.data));
  source.addEventListener("open", () => onState(true));
  source.addEventListener("error", () => onState(false));
}

function rowOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // the broker's own HTML, escaped there
  return template.content.querySelector("li.sign-in");
}

function showTimeline(list, live) {
  const most = 100;
  listen(live.dataset.missed, (html) => {
    const row = rowOf(html);
    const old = document.getElementById(row.id);
    if (old) {
      const focused = old.contains(document.activeElement);
      old.replaceWith(row);
      if (focused) row.querySelector("a").focus();
    } else {
      row.classList.add("new");
      list.prepend(row);
      while (list.children.length > most) list.lastElementChild.remove();
    }
    document.getElementById("nobody").hidden = true;
  }, (connected) => {
    live.classList.toggle("on", connected);
    live.textContent = connected ? "Live" : "Not connected; trying again";
  });
}

function keepUpToDate(mark) {
  listen(mark.dataset.missed, (html) => {
    if (rowOf(html).id === `sign-in-${mark.dataset.number}`) location.reload();
  }, () => {});
}

function explainFaults(form) {
  const kinds = form.elements.fault;
  const show = () => {
    const kind = kinds.selectedOptions[0];
    const isTls = kind.value.startsWith("tls-");
    form.querySelector("#value-line").hidden = !kind.dataset.value;
    form.querySelector("#value-meaning").textContent = kind.dataset.value;
    form.elements.value.placeholder = kind.dataset.default;
    form.elements.value.disabled = !kind.dataset.value;
    form.querySelector("#endpoint-line").hidden = isTls;
    form.elements.endpoint.options[0].text = kind.dataset.endpoint || "every endpoint";
    form.querySelector("#tls-warning").hidden = !isTls;
    const options = kind.dataset.choices.split(" ").filter(Boolean).map((choice) => new Option(choice, choice));
    form.querySelector("#choices").replaceChildren(...options);
  };
  kinds.addEventListener("change", show);
  show();
}

function offerCopy(button) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Marked: copy it with Ctrl+C";
    }
  });
}

const timeline = document.getElementById("timeline");
if (timeline) showTimeline(timeline, document.getElementById("live"));
const signIn = document.getElementById("sign-in");
if (signIn) keepUpToDate(signIn);
const faults = document.querySelector('form[action="/stub/faults/set"]');
if (faults) explainFaults(faults);
document.querySelectorAll("[data-copy]").forEach(offerCopy);
