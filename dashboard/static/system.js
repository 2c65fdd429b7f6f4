// How the line is doing: whether it keeps up, where time goes, what is lost, who is there.

import { answer } from "./api.js";
import { page } from "./page.js";
import { bytes, clock, count, el, latency, span } from "./words.js";

export const sheet = "system.css";
const PERIOD_MS = 2000;
const STAGES = {
  ingest: "Camera to queue", queue: "Waiting", score: "Scoring", deliver: "To this page", total: "In all",
};
const DROPS = {
  stale: "too old when its turn came", trimmed: "pushed out of the queue", dead: "could not be scored",
  duplicate: "delivered twice",
};
const STATES = { ok: "Keeps up", near: "Close to the limit", out: "Out of capacity", unknown: "Not known" };

export function show(root) {
  root.append(el("h2", {}, "System"), el("p", { class: "loading" }, "Asking the dashboard…"));
  const body = el("div", { class: "system" });
  root.append(body);
  let showing = true;
  const refresh = async () => {
    const { status, found } = await answer("system");
    if (!showing) return;
    root.querySelector(".loading")?.remove();
    if (found) body.replaceChildren(...render(found));
    else if (!body.children.length) body.replaceChildren(el("p", { class: "empty" }, status === 403 ? "This view is about all cameras, and you may see some of them only." : "The dashboard does not answer."));
  };
  refresh();
  const timer = setInterval(refresh, PERIOD_MS);
  return () => {
    showing = false;
    clearInterval(timer);
  };
}

function render(found) {
  return [capacity(found), stages(found.stages), losses(found), services(found)];
}

function panel(title, ...children) {
  return el("section", { class: "panel", "aria-label": title }, el("h3", {}, title), ...children);
}

function capacity({ capacity: { state, words }, queue, evidence, bus }) {
  const shown = bus === "ok" ? state : "unknown";
  const facts = [
    ["Windows waiting", String(queue.windows)],
    ["Oldest", latency(queue.oldest_s)],
    ["Evidence kept", `${count(evidence.alerts, "alert")}, ${bytes(evidence.bytes)} of ${bytes(evidence.limit_bytes)}`],
  ];
  const top = panel(
    "Capacity",
    el("p", { class: "capacity", data: { state: shown } }, STATES[shown]),
    el("p", { class: "capacity-words" }, bus === "ok" ? words : "Redis can't be reached: nothing here is fresh."),
    list(facts),
  );
  top.dataset.state = shown;
  return top;
}

function list(facts) {
  return el("dl", { class: "facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function stages(found) {
  const longest = Math.max(0.001, ...found.map((stage) => stage.p99 ?? 0));
  const row = (stage) => {
    const bar = el("td", { class: "bar", "aria-hidden": "true" });
    for (const name of ["p99", "p95", "p50"]) {
      const part = el("i", { class: name });
      part.style.width = `${(100 * (stage[name] ?? 0)) / longest}%`;
      bar.append(part);
    }
    const times = ["p50", "p95", "p99"].map((name) => el("td", {}, stage[name] === null ? "–" : latency(stage[name])));
    return el("tr", { data: { stage: stage.name } }, el("th", { scope: "row" }, STAGES[stage.name]), ...times, bar);
  };
  const head = ["Stage", "p50", "p95", "p99"].map((name) => el("th", { scope: "col" }, name));
  const windows = found.find((stage) => stage.name === "total")?.count ?? 0;
  return panel(
    "Latency",
    el("table", { class: "stages" }, el("thead", {}, el("tr", {}, ...head, el("td", {}))), el("tbody", {}, ...found.map(row))),
    el("p", { class: "quiet" }, windows ? `${windows} windows of the last minute` : "Nothing was scored in the last minute"),
  );
}

function losses({ per_minute: minute, outcomes }) {
  const row = (name, words) => el("tr", {}, el("th", { scope: "row" }, words), el("td", {}, String(minute[name])), el("td", {}, String(outcomes[name])));
  const head = ["Windows", "Last minute", "Since the start"].map((name) => el("th", { scope: "col" }, name));
  return panel(
    "Windows",
    el(
      "table", {}, el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, row("made", "made"), row("scored", "scored"), ...Object.entries(DROPS).map(([name, words]) => row(name, words))),
    ),
  );
}

const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);

const restarted = (times) => (times ? `, restarted ${times === 1 ? "once" : `${times} times`}` : "");

function services({ services: found, bus }) {
  const row = (service) => {
    const silent = page.now() - service.updated;
    const state = bus !== "ok" ? `was ${service.state}` : silent > 5 ? `silent for ${span(silent)}` : service.state;
    const words = [service.model, service.device, service.detail].filter(Boolean).join(" · ");
    return el(
      "tr", {}, el("th", { scope: "row" }, service.role), el("td", {}, service.id),
      el("td", {}, state), el("td", {}, `since ${clock(service.since)}${restarted(service.restarts)}`),
      el("td", { data: { label: "Busy" } }, percent(service.busy)), el("td", { data: { label: "Batch fill" } }, percent(service.batch_fill)),
      el("td", { class: "said" }, words, service.caveat ? el("span", { class: "caveat" }, ` ${service.caveat}`) : "",
        service.trouble ? el("span", { class: "caveat" }, ` Configuration refused: ${service.trouble}`) : ""),
    );
  };
  const head = ["Service", "Name", "State", "", "Busy", "Batch fill", "What it says"];
  const table = el("table", { class: "services" }, el("thead", {}, el("tr", {}, ...head.map((name) => (name ? el("th", { scope: "col" }, name) : el("td", {}))))), el("tbody", {}, ...found.map(row)));
  return panel("Services", found.length ? el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": "Services, scrollable" }, table) : el("p", { class: "empty" }, "No service gives a sign of life."));
}
