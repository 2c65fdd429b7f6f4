// What this browser remembers: theme, sound, notifications. All off, or as the system has it, until asked for.

import { page, reviewOf } from "./page.js";
import { alertHash } from "./router.js";
import { KINDS, el, say } from "./words.js";

const $ = (id) => document.getElementById(id);
const REPEAT_MS = 4000;
const BEEP = { critical: [880, 660, 880], warning: [560] };
let audio = null;
let repeating = 0;

/** A browser may keep nothing; then the page forgets with the tab. */
function recall(name, otherwise) {
  try {
    return localStorage.getItem(`unmask-${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`unmask-${name}`, value);
  } catch {
    /* see above */
  }
}

/** Whether sound is asked for and the browser holds it back: it wants a click or a key on the page first. */
export const silenced = () => $("sound").value !== "off" && audio?.state !== "running" && !navigator.userActivation?.hasBeenActive;

export function start() {
  theme(recall("theme", "system"));
  $("theme").value = recall("theme", "system");
  $("theme").onchange = () => theme($("theme").value, true);
  $("sound").value = recall("sound", "off");
  if ($("sound").value !== "off") audio = new AudioContext();
  $("sound").onchange = () => {
    keep("sound", $("sound").value);
    if ($("sound").value === "off") seen();
    else beep("warning"); // heard now, and allowed from now on: browsers want a gesture first
  };
  $("notify").hidden = !("Notification" in window);
  $("notify").onclick = toggleNotifications;
  renderNotify();
  for (const sign of ["pointerdown", "keydown"]) addEventListener(sign, seen);
  page.events.addEventListener("alert", ({ detail }) => detail.event === "new" && raise(detail.alert));
}

/** Change the sound's setting by key. */
export function nextSound() {
  $("sound").selectedIndex = ($("sound").selectedIndex + 1) % $("sound").options.length;
  $("sound").dispatchEvent(new Event("change"));
}

function theme(value, store) {
  document.documentElement.dataset.theme = value;
  if (store) keep("theme", value);
}

function raise(alert) {
  if (reviewOf(alert)) return;
  const sound = $("sound").value;
  if (sound !== "off") beep(alert.severity);
  if (sound === "until-seen") {
    clearInterval(repeating);
    repeating = setInterval(() => beep(alert.severity), REPEAT_MS);
  }
  if (recall("notify", "off") === "on" && Notification.permission === "granted") {
    const score = alert.peak === null ? alert.detail : `peak score ${alert.peak.toFixed(2)}`;
    notify(`${KINDS[alert.kind]} on ${alert.camera}`, `${alert.severity}: ${score}`, alert.id);
  }
}

function notify(title, body, id) {
  try {
    const note = new Notification(title, { body, tag: id });
    note.onclick = () => {
      window.focus();
      page.go(alertHash(id));
    };
  } catch {
    say($("announcer"), "This browser can't notify"); // some phones only let service workers do it
  }
}

/** Somebody is at the page: the sound need not call any more. */
function seen() {
  clearInterval(repeating);
  repeating = 0;
  audio?.resume();
}

async function toggleNotifications() {
  if (recall("notify", "off") === "on") keep("notify", "off");
  else if ((await Notification.requestPermission()) === "granted") keep("notify", "on");
  renderNotify();
}

function renderNotify() {
  const allowed = "Notification" in window && Notification.permission;
  const on = recall("notify", "off") === "on" && allowed === "granted";
  $("notify").setAttribute("aria-pressed", String(on));
  $("notify").replaceChildren(on ? "Notifying" : "Notify me");
  $("notify").title = allowed === "denied" ? "This browser blocks notifications of this page" : "Browser notifications of new alerts";
}

function beep(severity) {
  audio ??= new AudioContext();
  audio.resume();
  (BEEP[severity] || BEEP.warning).forEach((pitch, n) => {
    const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + n * 0.18];
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.16);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.17);
  });
}

/** A select that snoozes one camera, or all of them. */
export function snoozer(name, snooze) {
  const choices = [["", "Alerts on"], ["15", "Snooze 15 min"], ["60", "Snooze 1 h"], ["480", "Snooze 8 h"], ["end", "End the snooze"]];
  const box = el("select", { class: "snooze", "aria-label": `Alerts of ${name}` }, ...choices.map(([value, word]) => el("option", { value }, word)));
  box.onchange = () => {
    if (box.value) snooze(box.value === "end" ? null : Number(box.value));
    box.selectedIndex = 0; // the first says how it stands
  };
  return box;
}
