// One camera: verdict, picture, numbers, score line. Everything old is shown as old, nothing old as clean.

import { cameraPath, json, picture, send } from "./api.js";
import { snoozer } from "./settings.js";
import { Timeline } from "./timeline.js";
import { VERDICTS, clock, el, icon, latency, say, span, stateWord, whyWords } from "./words.js";

const PICTURE_MS = 1000;
const PICTURE_OLD_S = 4;
const QUIET_S = 2; // a state comes every second; of several shards one may be lost, and the cameras of others go on

export class CameraCard extends HTMLElement {
  view = null;
  #heard = 0;
  #visible = false;
  #pictureAt = null;
  #fetching = false;
  #shown = "";
  #faces = new Map(); // the newest score of each track

  /** Build the card's parts; `page` tells the time, the link and the stale limit. */
  begin(name, page) {
    this.page = page;
    this.name = name;
    this.#build();
    this.#observe();
    this.timeline = new Timeline(this.line);
    this.refill();
  }

  disconnectedCallback() {
    this.observer?.disconnect();
    clearInterval(this.timer);
    if (this.image.src) URL.revokeObjectURL(this.image.src);
  }

  async refill() {
    const found = await json(cameraPath(this.name, "timeline"));
    if (found) this.timeline.load(found.tracks);
    this.timeline.draw(this.page.now());
  }

  #build() {
    this.badge = el("p", { class: "verdict" });
    this.image = el("img", { alt: "", hidden: true });
    this.age = el("p", { class: "age", hidden: true });
    this.nothing = el("p", { class: "nothing" }, "No picture");
    this.marks = el("div", { class: "marks", "aria-hidden": "true" });
    this.snooze = snoozer(this.name, (minutes) => this.#snooze(minutes));
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true });
    this.why = el("p", { class: "why" });
    this.error = el("p", { class: "error", hidden: true });
    this.numbers = el("dl", { class: "numbers" });
    this.line = el("canvas", { class: "line", role: "img" });
    const title = el("h3", { title: this.name }, this.name);
    this.append(
      el("header", {}, title, this.badge),
      el("div", { class: "picture" }, this.image, this.marks, this.nothing, this.age),
      el("div", { class: "words" }, this.why, this.error),
      this.line,
      this.numbers,
      el("div", { class: "snoozing" }, this.snooze, this.trouble),
    );
  }

  #observe() {
    this.observer = new IntersectionObserver(([entry]) => {
      this.#visible = entry.isIntersecting;
      if (this.#visible) this.#refresh();
    });
    this.observer.observe(this);
    this.timer = setInterval(() => this.#refresh(), PICTURE_MS);
  }

  update(view) {
    this.view = view;
    this.#heard = performance.now();
    this.render();
  }

  /** A welcome vouches for the camera as much as news of its own does. */
  vouch() {
    this.#heard = performance.now();
  }

  addScore(score) {
    this.#faces.set(score.track, score);
    this.timeline.add(score.track, score.captured, score.p_fake, score.verdict);
  }

  /** The verdict to show: what the server says, unless this page can't know that it still holds. */
  get effective() {
    const { verdict, why } = this.view;
    if (this.page.link !== "live") return { verdict: "stale", why: "link-lost" };
    const unheard = (performance.now() - this.#heard) / 1000;
    if (this.page.bus !== "ok" && unheard > QUIET_S) return { verdict: "stale", why: "redis-lost" };
    const silent = unheard > this.page.staleAfter + 2;
    if (silent && verdict !== "offline" && verdict !== "stale") return { verdict: "stale", why: "page-silent" };
    return { verdict, why };
  }

  render() {
    if (!this.view) return;
    const shown = { ...this.view, ...this.effective };
    if (this.#shown !== shown.verdict) {
      this.#shown = shown.verdict;
      this.dataset.verdict = shown.verdict;
      const { word, icon: path } = VERDICTS[shown.verdict] || VERDICTS.unsure;
      this.badge.replaceChildren(icon(path), word);
      this.dispatchEvent(new CustomEvent("verdict", { bubbles: true }));
    }
    say(this.why, whyWords(shown));
    say(this.error, shown.error);
    this.error.hidden = !shown.error;
    this.#renderNumbers(shown);
    this.#renderAge(shown);
    this.#renderMarks(shown);
    this.#renderSnooze(shown);
    this.setAttribute("aria-label", `${this.name}: ${this.badge.textContent}. ${this.why.textContent}`);
  }

  #renderNumbers(view) {
    const live = view.state === "live" && view.verdict !== "stale";
    const unknown = ["streamer-silent", "link-lost", "redis-lost", "page-silent"].includes(view.why);
    const rows = [
      ["State", unknown ? `was ${stateWord(view.state)}` : stateWord(view.state)],
      ["Frames", live ? `${view.fps.toFixed(1)} fps` : "–"],
      ["Latency", live && view.latency !== null ? latency(view.latency) : "–"],
      ["Faces", live ? String(view.faces) : "–"],
      ["Reconnects", String(view.reconnects)],
    ];
    if (!this.numbers.children.length) {
      for (const [name] of rows) this.numbers.append(el("div", {}, el("dt", {}, name), el("dd")));
    }
    rows.forEach(([, value], n) => say(this.numbers.children[n].lastChild, value));
  }

  #renderAge(view) {
    const now = this.page.now();
    const at = view.verdict === "stale" && view.last_frame ? view.last_frame : this.#pictureAt;
    const old = ["stale", "offline"].includes(view.verdict) || (at !== null && now - at > PICTURE_OLD_S);
    this.toggleAttribute("data-old", old);
    this.age.hidden = !old || at === null || this.image.hidden;
    if (!this.age.hidden) say(this.age, `Picture of ${clock(at)}, ${span(now - at)} old`);
  }

  /** Score and verdict at every face heard of here; before the first, at the one that the server knows. */
  #renderMarks(view) {
    const now = this.page.now();
    for (const [track, { captured }] of this.#faces) if (Math.abs(now - captured) > this.page.staleAfter) this.#faces.delete(track);
    const faces = [...this.#faces.values()];
    if (!faces.length) faces.push(view); // older than a score: beside one it may be the same face, where it was
    const shown = this.image.hidden || this.hasAttribute("data-old") ? [] : faces.map((face) => this.#mark(face)).filter(Boolean);
    this.marks.replaceChildren(...shown);
  }

  /** The picture is letterboxed into its frame. */
  #mark({ box, frame_size: [width, height], p_fake: p, verdict }) {
    if (!box || !width || p === null || p === undefined) return null;
    const { clientWidth: w, clientHeight: h } = this.image;
    const scale = Math.min(w / width, h / height);
    const [left, top] = [(w - width * scale) / 2 + box[0] * scale, (h - height * scale) / 2 + box[1] * scale];
    const word = VERDICTS[verdict]?.word.toLowerCase() ?? "";
    const made = el("p", { class: "mark", data: { verdict } }, verdict === "unsure" ? word : `${p.toFixed(2)} ${word}`);
    made.style.left = `${Math.max(0, left)}px`;
    made.style.top = `${Math.max(18, top)}px`;
    return made;
  }

  #renderSnooze({ snoozed_until: until }) {
    const left = until ? until - this.page.now() : 0;
    this.toggleAttribute("data-snoozed", left > 0);
    const options = this.snooze.options;
    say(options[0], left > 0 ? `Snoozed, ${span(left)} left` : "Alerts on");
    options[options.length - 1].hidden = left <= 0;
    this.snooze.disabled = !this.page.may("operator");
  }

  async #snooze(minutes) {
    const trouble = await send(cameraPath(this.name, "snooze"), minutes === null ? undefined : { minutes });
    say(this.trouble, trouble && `Not snoozed: ${trouble}`);
    this.trouble.hidden = !trouble;
  }

  async #refresh() {
    this.render();
    if (!this.#visible || document.hidden) return;
    this.timeline.draw(this.page.now());
    this.line.setAttribute("aria-label", this.timeline.describe(this.page.now()));
    if (this.#fetching || this.page.link !== "live" || !this.view || this.view.verdict === "offline") return;
    if (this.effective.why === "redis-lost") return;
    this.#fetching = true;
    const url = await picture(cameraPath(this.name, "preview.jpg"));
    this.#fetching = false;
    if (url === null) return;
    const before = this.image.src;
    this.image.src = url;
    if (before) URL.revokeObjectURL(before);
    this.#pictureAt = this.page.now();
    this.image.hidden = false;
    this.nothing.hidden = true;
    this.image.alt = `Picture of ${this.name}`;
  }
}

customElements.define("camera-card", CameraCard);
