// The keyboard path: letters lead to views and through alerts; `?` tells them all.

import { page } from "./page.js";
import { alertHash } from "./router.js";
import { nextSound } from "./settings.js";

const $ = (id) => document.getElementById(id);
const GO = { l: "#/", h: "#/history", s: "#/system", w: "#/wall" };
const TYPING = "input, select, textarea, [contenteditable]";

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.(TYPING)) return;
    if (press(event.key)) event.preventDefault();
  });
  $("help-open").onclick = () => $("help").showModal();
  $("help-close").onclick = () => $("help").close();
}

function press(key) {
  if ($("login").open) return false;
  if (key === "?") $("help").open ? $("help").close() : $("help").showModal();
  else if ($("help").open) return false;
  else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "m") nextSound();
  else if (key in GO && !$("drawer").open) page.go(GO[key]);
  else return false;
  return true;
}

/** The next or previous alert: its drawer if one is open, else the focus. */
function step(by) {
  const links = [...document.querySelectorAll('#alerts a[href^="#/alert/"], #view a[href^="#/alert/"]')].filter((link) => link.checkVisibility());
  const ids = links.map((link) => link.hash);
  if (!ids.length) return;
  const here = $("drawer").open ? ids.indexOf(alertHash($("drawer").dataset.alert)) : links.indexOf(document.activeElement);
  const next = Math.min(ids.length - 1, Math.max(0, here + by));
  if ($("drawer").open) page.go(ids[next]);
  else links[next].focus();
}
