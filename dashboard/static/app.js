// Brings it together: the link's messages to the cards and the feed, and what is wrong to the top of the page.

import "./alert-feed.js";
import "./camera-card.js";
import * as account from "./account.js";
import { alertPath, json, send } from "./api.js";
import * as keys from "./keys.js";
import { page, remember } from "./page.js";
import * as router from "./router.js";
import * as settings from "./settings.js";
import { Link } from "./socket.js";
import { VERDICTS, clock, count, el, icon, say } from "./words.js";

const $ = (id) => document.getElementById(id);
const cards = new Map();
const link = new Link();
let lastNews = null;

function card(name) {
  let found = cards.get(name);
  if (!found) {
    found = document.createElement("camera-card");
    found.id = `camera-${name}`;
    found.tabIndex = -1;
    cards.set(name, found);
    found.begin(name, page);
    const next = [...cards.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const after = next[next.indexOf(name) + 1];
    $("cameras").insertBefore(found, after ? cards.get(after) : null);
  }
  return found;
}

function drop(name) {
  cards.get(name)?.remove();
  cards.delete(name);
  page.cameras.delete(name);
}

function welcome(message) {
  page.staleAfter = message.stale_after_s;
  if (!account.become(message.you)) return;
  hear(message);
  const named = new Set(message.snapshot.cameras.map((view) => view.name));
  for (const name of cards.keys()) if (!named.has(name)) drop(name);
  const again = lastNews !== null;
  for (const view of message.snapshot.cameras) {
    takeCamera(view);
    if (again) card(view.name).refill();
  }
  const closed = $("alerts").reconcile(message.snapshot.alerts);
  takeAlerts(message.snapshot.alerts);
  for (const id of closed) json(alertPath(id)).then((found) => found && takeAlerts([found.alert]));
  json("alerts?limit=50").then((found) => found && takeAlerts(found.alerts));
}

function hear(message) {
  const was = page.bus;
  page.offset = message.at - Date.now() / 1000;
  page.bus = message.bus;
  page.services = message.services;
  if (page.bus !== was) for (const one of cards.values()) one.render();
  noteModel();
}

function takeCamera(view) {
  page.cameras.set(view.name, view);
  card(view.name).update(view);
  page.tell("camera", view);
}

function takeAlerts(alerts) {
  $("alerts").take(alerts);
  const limits = alerts.filter((alert) => alert.threshold).map((alert) => alert.threshold);
  if (limits.length) for (const one of cards.values()) one.timeline.threshold = limits.at(-1);
  for (const alert of alerts) noteModel(alert.model);
}

function receive(message) {
  lastNews = page.now();
  if (message.type === "camera") {
    if (message.removed) drop(message.camera.name);
    else takeCamera(message.camera);
    noteModel(message.camera.model);
  } else if (message.type === "score") {
    cards.get(message.score.camera)?.addScore(message.score);
    noteModel(message.score.model);
  } else if (message.type === "alert") {
    const alert = remember(message.alert);
    takeAlerts([alert]);
    if (message.event === "new") announce(alert);
    page.tell("alert", { ...message, alert });
  } else if (message.type === "heartbeat") hear(message);
  else if (message.type === "gap") link.restart();
  if (message.type !== "score") render();
}

function announce(alert) {
  const words = alert.peak === null ? alert.detail : `peak score ${alert.peak.toFixed(2)}`;
  say($("announcer"), `${alert.severity} alert on camera ${alert.camera}, ${words}`);
}

function noteModel(name) {
  if (name) page.model = name;
  const { model, services } = page;
  const baseline = model.includes("baseline");
  const words = services?.caveat || (baseline ? "a baseline" : "");
  say($("model"), model && words ? `${model} · ${words}` : "");
  $("model").hidden = !(model && words);
}

function render() {
  const { bus } = page;
  Object.assign(document.body.dataset, { link: page.link, bus });
  const words = { connecting: "Connecting", live: bus === "ok" ? "Live" : "Redis lost", lost: "Not connected" };
  say($("link"), words[page.link]);
  say($("clock"), clock(page.now()));
  renderBanners();
  renderSummary();
  const open = $("alerts").open.length;
  say($("alerts-count"), open ? `${open} open` : "");
  say($("cameras-count"), cards.size ? String(cards.size) : "");
  $("no-cameras").hidden = cards.size > 0 || page.link !== "live" || bus !== "ok";
  document.title = open ? `(${open}) ALERT – Unmask` : page.link === "live" ? "Unmask" : "Not connected – Unmask";
}

function renderBanners() {
  const { bus, services } = page;
  const lines = [];
  if (page.link === "lost") {
    const since = lastNews === null ? "Nothing is known yet." : `Showing the state of ${clock(lastNews)}, greyed.`;
    lines.push(["link", `Connection to the dashboard lost. ${since} Trying again by itself.`]);
  } else if (page.link === "live" || bus !== "ok") {
    if (bus === "lost") lines.push(["bus", "Redis can't be reached: nothing new arrives. It is tried again by itself."]);
    else if (bus === "loading") lines.push(["bus", "Reading what is known from Redis."]);
    else if (services?.worker === 0) {
      lines.push(["worker", "No worker is ready: faces are not being scored. Start one with 'unmask worker'."]);
    }
    if (bus === "ok" && services?.streamer === 0) {
      lines.push(["streamer", "No streamer is ready: cameras are not being watched. Start one with 'unmask streamer'."]);
    }
  }
  if (page.link === "live" && services?.trouble) {
    lines.push(["trouble", `The changed configuration is refused, the one before goes on. ${services.trouble}`]);
  }
  if (settings.silenced()) lines.push(["sound", "This browser keeps the sound of alerts silent until you click the page or press a key once."]);
  const shown = [...$("banners").children].map((banner) => banner.textContent);
  if (shown.join() === lines.map(([, text]) => text).join()) return;
  $("banners").replaceChildren(
    ...lines.map(([kind, text]) => el("p", { class: "banner", data: { kind } }, icon(VERDICTS.suspect.icon), text)),
  );
}

/** The cameras that need eyes, the worst first; each leads to its card. */
function renderSummary() {
  const wanting = [...cards.values()]
    .filter((one) => one.view && page.link === "live") // else the banner says it of all
    .map((one) => ({ one, verdict: one.effective.verdict }))
    .filter(({ verdict }) => VERDICTS[verdict].rank >= VERDICTS.offline.rank)
    .sort((a, b) => VERDICTS[b.verdict].rank - VERDICTS[a.verdict].rank || a.one.name.localeCompare(b.one.name));
  const open = $("alerts").open.length;
  const seen = wanting.length ? wanting.map(({ one, verdict }) => `${one.name} ${verdict}`) : [open];
  const key = [...seen, page.link, page.bus, cards.size].join("\n"); // drawn anew, a button would lose the focus
  if ($("summary").dataset.key === key) return;
  $("summary").dataset.key = key;
  const chips = wanting.slice(0, 6).map(({ one, verdict }) =>
    el(
      "button",
      {
        type: "button", class: "chip", data: { verdict },
        onclick: () => { one.scrollIntoView({ block: "center" }); one.focus({ preventScroll: true }); },
      },
      icon(VERDICTS[verdict].icon), `${one.name}: ${VERDICTS[verdict].word.toLowerCase()}`,
    ),
  );
  if (wanting.length > 6) chips.push(el("span", { class: "chip" }, `and ${wanting.length - 6} more`));
  if (page.link === "live" && page.bus === "ok" && cards.size > 0 && !wanting.length) {
    const words = open ? count(open, "open alert") : "Nothing needs attention";
    chips.push(el("span", open ? { class: "chip", data: { verdict: "suspect" } } : { class: "calm" }, words));
  }
  $("summary").replaceChildren(...chips);
}

link.addEventListener("welcome", (event) => welcome(event.detail));
link.addEventListener("message", (event) => receive(event.detail));
link.addEventListener("unauthorised", () => {
  page.link = "lost";
  render();
  account.ask();
});
link.addEventListener("link", (event) => {
  page.link = event.detail;
  if (page.link === "live") lastNews = page.now();
  for (const one of cards.values()) one.render();
  page.tell("link", page.link);
  render();
});
document.addEventListener("verdict", renderSummary);
$("alerts").begin(page);
const snoozeAll = settings.snoozer("all cameras", async (minutes) => {
  say($("announcer"), (await send("snooze", minutes === null ? undefined : { minutes })) || "Done");
});
$("cameras-title").after(snoozeAll);
account.start(() => {
  page.link = "connecting";
  link.restart();
}, snoozeAll);
setInterval(() => {
  render();
  page.tell("tick");
}, 1000);
settings.start();
keys.start();
router.start();
link.start();
render();
