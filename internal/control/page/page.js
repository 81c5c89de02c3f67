"use strict";
// Keeps the page up to date and copies text. Everything else works without it.

const announce = (text) => {
  const el = document.getElementById("announce");
  if (el) el.textContent = text;
};

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.textContent);
      announce("Copied.");
    } catch {
      getSelection().selectAllChildren(from);
      announce("Selected: copy it with the keyboard.");
    }
  });
}

const states = () => [...document.querySelectorAll("[data-state]")].map((el) => el.dataset.state);

// What a person works in at the moment is left alone: it takes its news when they have gone on.
const busy = (el) => el.contains(document.activeElement) || el.querySelector("details[open]");

const stale = (text) => {
  const el = document.getElementById("stale");
  if (!el.hidden && el.textContent.startsWith(text)) return; // whoever is at the link stays there
  announce(text);
  el.textContent = text + " ";
  const link = document.createElement("a");
  link.href = "/";
  link.textContent = "Load the page again";
  el.append(link);
  el.hidden = false;
};

const main = document.querySelector("[data-live]");
if (main) {
  const shown = new Map();
  let parts = {};
  let same = null;
  let changed = false;

  const show = () => {
    const before = states();
    for (const [id, html] of Object.entries(parts)) {
      const el = document.getElementById(id);
      if (!el || shown.get(id) === html || busy(el)) continue;
      el.innerHTML = html;
      shown.set(id, html);
    }
    const news = states().filter((state) => !before.includes(state));
    if (news.length) announce(news.join("; "));
  };

  const source = new EventSource(main.dataset.live);
  source.addEventListener("message", (event) => {
    const update = JSON.parse(event.data);
    changed ||= same !== null && same !== update.same;
    same = update.same;
    if (changed) stale("The list of accounts has changed.");
    else document.getElementById("stale").hidden = true; // Postern answers again
    parts = update.parts;
    show();
    main.dataset.updated = String(Date.now());
  });
  source.addEventListener("over", () => {
    source.close();
    stale("This page is no longer up to date.");
  });
  source.addEventListener("error", () => {
    stale(source.readyState === EventSource.CLOSED ? "This page is no longer up to date." : "Postern does not answer: this page is no longer up to date.");
  });
  document.addEventListener("focusout", () => setTimeout(show));
  addEventListener("pagehide", () => source.close());
}
