// The alerts: open ones on top, then by time; each with its evidence.

import { alertPath, json, picture } from "./api.js";
import { remember, reviewOf } from "./page.js";
import { alertHash } from "./router.js";
import { END_REASONS, KINDS, REVIEWS, VERDICTS, clock, el, icon, place, say, span, stamp } from "./words.js";

const MAX_ENDED = 100;
const FEW_CROPS = 6;
const EVIDENCE_TRIES_MS = [0, 1500, 4000];

class AlertItem extends HTMLElement {
  #urls = [];
  #crops = 0;
  #asked = false;

  begin(alert, page) {
    this.page = page;
    this.tag = el("p", { class: "tag" });
    this.title = "";
    this.camera = el("h3", {}, el("a", { href: alertHash(alert.id) }, alert.camera));
    this.kind = el("p", { class: "kind" });
    this.map = el("div", { class: "map", "aria-hidden": "true", hidden: true }, el("i"));
    this.review = el("p", { class: "reviewed", hidden: true });
    this.when = el("p", { class: "when" });
    this.scores = el("p", { class: "scores" });
    this.meter = el("div", { class: "meter", "aria-hidden": "true" }, el("i"), el("b"));
    this.crops = el("div", { class: "crops" });
    this.more = el("button", { class: "more", type: "button", hidden: true, onclick: () => this.#all() });
    this.foot = el("p", { class: "foot" });
    this.setAttribute("role", "listitem");
    this.append(
      el("header", {}, this.tag, this.camera, this.review), this.map, this.kind, this.when, this.scores, this.meter, this.crops,
      this.more, this.foot,
    );
    this.observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#evidence());
    this.observer.observe(this);
    this.update(alert);
  }

  disconnectedCallback() {
    this.observer.disconnect();
    this.#urls.forEach((url) => URL.revokeObjectURL(url));
  }

  update(alert) {
    if (this.alert?.ended && !alert.ended) return; // an end is final, whatever arrives late
    this.alert = alert;
    this.dataset.alert = alert.id;
    this.dataset.severity = alert.severity;
    this.toggleAttribute("data-ended", alert.ended !== null);
    const word = alert.ended !== null ? "Ended" : alert.severity === "critical" ? "Critical" : "Warning";
    const path = VERDICTS[alert.ended !== null ? "clean" : alert.severity === "critical" ? "fake" : "suspect"].icon;
    this.tag.replaceChildren(icon(alert.ended !== null ? "M4 12h16" : path), word);
    say(this.kind, KINDS[alert.kind] + (place(alert) && `, ${place(alert)}`) + (alert.detail ? `: ${alert.detail}` : ""));
    this.#locate(alert);
    const review = reviewOf(alert);
    this.review.hidden = !review;
    say(this.review, review ? REVIEWS[review.verdict] : "");
    if (alert.score !== null) this.#figures(alert);
    for (const part of [this.scores, this.meter, this.crops, this.foot]) part.hidden = alert.score === null;
    this.tick();
  }

  /** The picture as a small frame, the face's place in it: which tile of a call it is. */
  #locate({ box, frame_size: [width, height] = [0, 0] }) {
    this.map.hidden = !box || !width;
    if (this.map.hidden) return;
    this.map.style.aspectRatio = `${width} / ${height}`;
    const [x, y, w, h] = [box[0] / width, box[1] / height, box[2] / width, box[3] / height].map((share) => `${share * 100}%`);
    Object.assign(this.map.firstChild.style, { left: x, top: y, width: w, height: h });
  }

  #figures(alert) {
    say(this.scores, `Score ${alert.score.toFixed(2)} · peak ${alert.peak.toFixed(2)} · mean ${alert.mean.toFixed(2)}`);
    const [bar, mark] = this.meter.children;
    bar.style.width = `${alert.peak * 100}%`;
    mark.style.left = `${alert.threshold * 100}%`;
    const model = alert.model.includes("baseline") ? `baseline model ${alert.model}` : alert.model;
    say(this.foot, `${alert.kind}, ${alert.windows} windows, threshold ${alert.threshold.toFixed(2)}, ${model}`);
  }

  tick() {
    const { started, ended, end_reason: reason } = this.alert;
    if (ended !== null) {
      const why = END_REASONS[reason] || reason || "";
      say(this.when, `${stamp(started)} to ${clock(ended)} (${span(ended - started)})${why ? `: ${why}` : ""}`);
    } else if (this.page.link === "live") {
      say(this.when, `Since ${stamp(started)}, for ${span(this.page.now() - started)}`);
    } else {
      say(this.when, `Since ${stamp(started)}; not known whether it lasts`);
    }
  }

  async #evidence() {
    if (this.#asked || this.alert.score === null) return;
    this.#asked = true;
    for (const wait of EVIDENCE_TRIES_MS) {
      await new Promise((go) => setTimeout(go, wait));
      const found = this.isConnected && (await json(alertPath(this.alert.id)));
      if (!found?.evidence) continue;
      this.#crops = found.evidence.crops.length;
      const step = Math.max(1, this.#crops / FEW_CROPS);
      const chosen = [];
      for (let n = 0; n < this.#crops && chosen.length < FEW_CROPS; n += step) chosen.push(Math.floor(n));
      await this.#show(chosen);
      this.more.hidden = this.#crops <= FEW_CROPS;
      say(this.more, `Show all ${this.#crops} crops`);
      return;
    }
  }

  async #all() {
    this.more.hidden = true;
    this.crops.classList.add("all");
    await this.#show([...Array(this.#crops).keys()]);
  }

  async #show(numbers) {
    const urls = await Promise.all(numbers.map((n) => picture(alertPath(this.alert.id, `/evidence/${n}.jpg`))));
    this.#urls.forEach((url) => URL.revokeObjectURL(url));
    this.#urls = urls.filter((url) => url !== null);
    this.crops.replaceChildren(
      ...this.#urls.map((src, n) => el("img", { src, alt: `Face crop ${n + 1} of ${this.#urls.length}` })),
    );
  }
}

class AlertFeed extends HTMLElement {
  #items = new Map();

  begin(page) {
    this.page = page;
    this.list = el("div", { role: "list", class: "alerts" });
    this.empty = el("div", { class: "empty" }, el("h3", {}, "No alerts"), el("p", {}, ""));
    this.append(this.list, this.empty);
    setInterval(() => this.tick(), 1000);
    this.#order();
  }

  get open() {
    return [...this.#items.values()].filter((item) => item.alert.ended === null);
  }

  /** Open alerts that the server no longer counts as open have ended while nobody told this page. */
  reconcile(open) {
    const ids = new Set(open.map((alert) => alert.id));
    return this.open.filter((item) => !ids.has(item.alert.id)).map((item) => item.alert.id);
  }

  take(alerts) {
    for (const heard of alerts) {
      const alert = remember(heard);
      const known = this.#items.get(alert.id);
      if (known) known.update(alert);
      else {
        const item = document.createElement("alert-item");
        this.#items.set(alert.id, item);
        item.begin(alert, this.page);
      }
    }
    this.#order();
  }

  tick() {
    for (const item of this.#items.values()) item.tick();
    const watching = this.page.link === "live" ? "Alerts appear here the moment a face is judged fake." : "";
    say(this.empty.lastChild, watching || "This page is not connected, so it can't know of any.");
  }

  #order() {
    const rank = (item) => [item.alert.ended === null ? 1 : 0, item.alert.severity === "critical" ? 1 : 0];
    const sorted = [...this.#items.values()].sort((a, b) => {
      const [[openA, badA], [openB, badB]] = [rank(a), rank(b)];
      return openB - openA || (openA && badB - badA) || b.alert.started - a.alert.started;
    });
    for (const item of sorted.filter((one) => one.alert.ended !== null).slice(MAX_ENDED)) {
      this.#items.delete(item.alert.id);
      item.remove();
    }
    sorted.forEach((item, place) => {
      const here = this.list.children[place];
      if (this.#items.has(item.alert.id) && here !== item) this.list.insertBefore(item, here || null);
    });
    this.empty.hidden = this.#items.size > 0;
    this.tick();
  }
}

customElements.define("alert-item", AlertItem);
customElements.define("alert-feed", AlertFeed);
