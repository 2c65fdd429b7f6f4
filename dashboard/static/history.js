// All alerts that are kept: filters in the address, a page at a time.

import { json } from "./api.js";
import { page, remember, reviewOf } from "./page.js";
import { alertHash } from "./router.js";
import { KINDS, REVIEWS, count, el, say, span, stamp } from "./words.js";

export const sheet = "alerts.css";
const PAGE = 50;
const CHOICES = {
  kind: ["Kind", KINDS],
  severity: ["Severity", { critical: "Critical", warning: "Warning" }],
  review: ["Verdict", { none: "Not judged", ...REVIEWS }],
  state: ["State", { open: "Open", ended: "Ended" }],
};

export function show(root, params) {
  const view = new History(root, params);
  const hear = ({ detail }) => view.hear(detail);
  const link = ({ detail }) => detail === "live" && view.failed && view.load();
  page.events.addEventListener("alert", hear);
  page.events.addEventListener("link", link);
  return () => {
    page.events.removeEventListener("alert", hear);
    page.events.removeEventListener("link", link);
  };
}

class History {
  #news = new Set();
  #rows = new Map();

  constructor(root, params) {
    this.params = params;
    this.list = el("tbody");
    this.words = el("p", { class: "quiet", role: "status" });
    this.fresh = el("button", { type: "button", class: "fresh", hidden: true, onclick: () => this.load() });
    this.older = el("button", { type: "button", hidden: true, onclick: () => this.load(this.next) }, "Older alerts");
    const head = ["Started", "Lasted", "Camera", "Kind", "Severity", "Peak", "Verdict"].map((name) => el("th", { scope: "col" }, name));
    this.table = el("table", { class: "history" }, el("thead", {}, el("tr", {}, ...head)), this.list);
    root.append(el("h2", {}, "History"), this.#filters(), this.fresh, this.table, this.words, this.older);
    this.load();
  }

  #filters() {
    const cameras = el("datalist", { id: "camera-names" }, ...[...page.cameras.keys()].map((value) => el("option", { value })));
    const fields = [labelled("Camera", this.#input("camera", { list: "camera-names", placeholder: "all, or lobby-*" })), cameras];
    for (const [name, [words, options]] of Object.entries(CHOICES)) {
      const box = el("select", { name }, el("option", { value: "" }, "All"), ...Object.entries(options).map(([value, word]) => el("option", { value }, word)));
      box.value = this.params.get(name) ?? "";
      fields.push(labelled(words, box));
    }
    fields.push(labelled("From", this.#input("from", { type: "datetime-local" })), labelled("To", this.#input("to", { type: "datetime-local" })));
    const form = el("form", { class: "filters", "aria-label": "Filters" }, ...fields, el("button", { type: "reset" }, "Clear"));
    form.onchange = () => this.#apply(form);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#apply(form);
    };
    form.onreset = () => page.go("#/history");
    return form;
  }

  #input(name, properties) {
    const { list, ...rest } = properties;
    const box = el("input", { name, value: this.params.get(name) ?? "", ...rest });
    if (list) box.setAttribute("list", list);
    return box;
  }

  /** The filters go into the address, so that a link shows the same. */
  #apply(form) {
    const chosen = [...new FormData(form)].filter(([, value]) => value !== "");
    page.go(`#/history${chosen.length ? `?${new URLSearchParams(chosen)}` : ""}`);
  }

  async load(before) {
    const query = new URLSearchParams();
    for (const [name, value] of this.params) {
      if (name === "from" || name === "to") query.set(name, String(new Date(value).getTime() / 1000 + (name === "to" ? 60 : 0)));
      else query.append(name, value);
    }
    query.set("limit", String(PAGE));
    if (before) query.set("before", before);
    say(this.words, "Asking the dashboard…");
    const found = await json(`alerts?${query}`);
    this.failed = !found;
    this.table.hidden = !this.#rows.size;
    if (!found) return say(this.words, "The dashboard does not answer, or does not understand these filters.");
    if (!before) {
      this.list.replaceChildren();
      this.#rows.clear();
      this.#news.clear();
      this.fresh.hidden = true;
    }
    for (const alert of found.alerts) this.#row(remember(alert));
    this.next = found.next;
    this.older.hidden = found.next === null;
    this.table.hidden = !this.#rows.size;
    const none = [...this.params].length ? "No alert fits these filters." : "No alerts are kept.";
    say(this.words, this.#rows.size ? `${count(this.#rows.size, "alert")}${found.next ? ", more are kept" : ""}` : none);
  }

  #row(alert) {
    const row = this.#rows.get(alert.id) || this.list.appendChild(el("tr"));
    this.#rows.set(alert.id, row);
    row.dataset.severity = alert.severity;
    const review = reviewOf(alert);
    const link = el("a", { href: alertHash(alert.id) }, stamp(alert.started));
    const cells = [
      ["Started", link], ["Lasted", alert.ended === null ? "still open" : span(alert.ended - alert.started)], ["Camera", alert.camera],
      ["Kind", KINDS[alert.kind]], ["Severity", alert.severity], ["Peak", alert.peak === null ? "–" : alert.peak.toFixed(2)],
      ["Verdict", review ? `${REVIEWS[review.verdict]}${review.note ? `: ${review.note}` : ""}` : "–"],
    ];
    row.replaceChildren(...cells.map(([name, value]) => el("td", { data: { name } }, value)));
    row.onclick = (event) => event.target === link || getSelection().toString() || link.click();
  }

  /** News changes rows that are there; what is new waits until it is asked for, so that nothing jumps. */
  hear(message) {
    const { id } = message.alert;
    if (this.#rows.has(id)) this.#row(page.alerts.get(id) || message.alert);
    else if (message.event === "new" && this.#fits(message.alert)) this.#news.add(id);
    this.fresh.hidden = !this.#news.size;
    say(this.fresh, `${count(this.#news.size, "new alert")}: show`);
  }

  /** Whether a new alert passes the filters; a camera's pattern as the server reads it. */
  #fits(alert) {
    const wanted = (name, value) => [null, "", value].includes(this.params.get(name));
    const pattern = this.params.get("camera");
    const to = this.params.get("to");
    return (
      (!pattern || glob(pattern).test(alert.camera)) && wanted("kind", alert.kind) && wanted("severity", alert.severity) &&
      wanted("review", "none") && wanted("state", "open") && (!to || alert.started <= new Date(to).getTime() / 1000 + 60)
    );
  }
}

/** `*` any text, `?` one character; all else itself. */
function glob(pattern) {
  const plain = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${plain.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
}

const labelled = (words, control) => el("label", {}, words, control);
