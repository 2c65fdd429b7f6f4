// The operator's verdict and note: kept beside the scores, never changing them.

import { alertPath, send } from "./api.js";
import { page, remember, reviewOf } from "./page.js";
import { REVIEWS, el, say, stamp } from "./words.js";

export class Review {
  constructor(id) {
    this.id = id;
    this.said = el("p", { class: "said", role: "status" });
    this.filled = ""; // the note as it was last filled in
    this.note = el("textarea", { id: "note", rows: 2, maxLength: 2000 });
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true });
    const button = (verdict, words) => el("button", { type: "button", data: { review: verdict }, onclick: () => this.#give(verdict) }, words);
    this.buttons = [button("confirmed", "Confirmed"), button("false-alarm", "False alarm"), button("none", "Take back")];
    this.element = el(
      "section", { class: "review", "aria-label": "Your verdict" }, el("h3", {}, "Your verdict"), this.said,
      ...(page.may("operator") ? [el("label", { htmlFor: "note" }, "Note"), this.note, el("div", { class: "buttons" }, ...this.buttons), this.trouble] : []),
    );
  }

  /** Show what was said of the alert, here or on another page. */
  show(alert) {
    const review = reviewOf(alert);
    say(this.said, review ? `${REVIEWS[review.verdict]}${review.by ? ` by ${review.by}` : ""}, ${stamp(review.at)}${review.note ? `: ${review.note}` : ""}` : "Nobody has judged this alert yet.");
    const kept = review?.note ?? "";
    if (this.note.value === this.filled) this.note.value = kept; // what somebody is writing is left alone
    this.filled = kept;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.review === review?.verdict));
    this.buttons[2].hidden = !review;
  }

  async #give(verdict) {
    for (const button of this.buttons) button.disabled = true;
    const note = verdict === "none" ? "" : this.note.value.trim();
    const trouble = await send(alertPath(this.id, "/verdict"), { verdict, note });
    for (const button of this.buttons) button.disabled = false;
    say(this.trouble, trouble && `Not kept: ${trouble}`);
    this.trouble.hidden = !trouble;
    if (trouble) return;
    this.filled = this.note.value = note;
    const known = page.alerts.get(this.id);
    if (known) this.show(remember({ ...known, review: { verdict, note, at: page.now(), by: page.you.name } }));
  }
}
