// One alert with all that is known of it, over whatever view it was opened from.

import { alertPath, answer, download } from "./api.js";
import { showEvidence } from "./evidence.js";
import { page, remember } from "./page.js";
import { Review } from "./review.js";
import { END_REASONS, KINDS, clock, el, place, say, span, stamp } from "./words.js";

export const sheet = "alerts.css";
const FACES = ["sustained", "spike"];
const YOUNG_S = 40; // evidence may still come
const AGAIN_MS = 2500;
const LATER_MS = 15000; // an alert that stays open: its score trace grows
let current = null;

/** Show an alert in `dialog`; `closed` is told when it was closed by the user. */
export function open(dialog, id, closed) {
  end();
  current = new Drawer(dialog, id);
  dialog.onclose = () => {
    end();
    closed();
  };
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  if (!dialog.open) dialog.showModal();
}

/** Close it because the address leads elsewhere. */
export function shut(dialog) {
  dialog.onclose = null;
  dialog.close();
  end();
}

function end() {
  current?.end();
  current = null;
}

class Drawer {
  #letGo = () => {};
  #timer = 0;
  #shown = "";

  constructor(dialog, id) {
    this.id = id;
    dialog.dataset.alert = id;
    this.title = el("h2", { id: "drawer-title", tabIndex: -1 });
    this.when = el("p", { class: "when" });
    this.detail = el("p", { class: "detail" });
    this.scores = el("p", { class: "scores" });
    this.body = el("div", { class: "body" }, el("p", { class: "quiet" }, "Asking the dashboard…"));
    this.review = new Review(id);
    this.saved = el("span", { role: "status" });
    const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×");
    const save = el("button", { type: "button", onclick: () => this.#export() }, "Export as ZIP");
    dialog.replaceChildren(
      el("header", {}, this.title, close), this.when, this.detail, this.scores, this.review.element,
      el("p", { class: "export" }, save, " ", this.saved), this.body,
    );
    this.hear = ({ detail }) => detail.alert.id === id && this.#alert(page.alerts.get(id) || detail.alert, detail.event === "end");
    this.tick = () => this.alert && this.#times();
    page.events.addEventListener("alert", this.hear);
    page.events.addEventListener("tick", this.tick);
    if (page.alerts.has(id)) this.#alert(page.alerts.get(id));
    this.title.focus();
    this.#refresh();
  }

  end() {
    page.events.removeEventListener("alert", this.hear);
    page.events.removeEventListener("tick", this.tick);
    clearTimeout(this.#timer);
    this.#letGo();
    this.ended = true;
  }

  #alert(alert, again = false) {
    this.alert = alert;
    say(this.title, `${KINDS[alert.kind]} on ${alert.camera}${place(alert) && `, ${place(alert)}`}`);
    this.title.dataset.severity = alert.severity;
    say(this.detail, alert.detail || "");
    const scored = alert.score !== null;
    say(this.scores, scored ? `Score ${alert.score.toFixed(2)} · peak ${alert.peak.toFixed(2)} · mean ${alert.mean.toFixed(2)} · threshold ${alert.threshold.toFixed(2)}` : "");
    this.review.show(alert);
    this.#times();
    if (again) this.#refresh();
  }

  #times() {
    const { started, ended, end_reason: reason, severity } = this.alert;
    const word = severity === "critical" ? "Critical" : "Warning";
    if (ended !== null) say(this.when, `${word}, ${stamp(started)} to ${clock(ended)} (${span(ended - started)}): ${END_REASONS[reason] || "ended"}`);
    else say(this.when, `${word}, open since ${stamp(started)}, for ${span(page.now() - started)}`);
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const { status, found } = await answer(alertPath(this.id));
    if (this.ended) return;
    if (!found) {
      this.#nothing(status === 404);
      if (status !== 404) this.#timer = setTimeout(() => this.#refresh(), AGAIN_MS);
      return;
    }
    this.#alert(remember(found.alert));
    const { started, ended, kind } = found.alert;
    if (!FACES.includes(kind)) {
      this.body.replaceChildren(el("p", { class: "quiet" }, "This alert is about the camera: there are no faces to show."));
      return;
    }
    const young = page.now() - started < YOUNG_S;
    this.#evidence(found, young);
    if (young || ended === null) this.#timer = setTimeout(() => this.#refresh(), young ? AGAIN_MS : LATER_MS);
  }

  #nothing(unknown) {
    this.#letGo();
    this.#letGo = () => {};
    this.#shown = "";
    const words = unknown ? "This alert is not known, or it is no longer kept." : "The dashboard does not answer; this page tries again.";
    this.body.replaceChildren(el("p", { class: "empty" }, words));
    if (!this.alert) say(this.title, unknown ? "No such alert" : "An alert");
  }

  /** Drawn again only when there is more than before: a playing clip and the eyes are left in peace. */
  #evidence(found, young) {
    const key = JSON.stringify([found.evidence, young]);
    if (key === this.#shown) return;
    this.#shown = key;
    const before = this.#letGo;
    this.#letGo = showEvidence(this.body, found, young);
    before();
  }

  async #export() {
    say(this.saved, "Packing…");
    const done = await download(alertPath(this.id, "/export.zip"), `unmask-${this.id.replace(/[^A-Za-z0-9_.-]/g, "_")}.zip`);
    say(this.saved, done ? "Saved" : "It could not be exported");
  }
}
