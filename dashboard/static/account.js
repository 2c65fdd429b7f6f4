// Who one is: signing in and out, and what the role leaves to do. What it forbids the server refuses as well.

import { send } from "./api.js";
import { page } from "./page.js";
import { say } from "./words.js";

const $ = (id) => document.getElementById(id);
let known = false; // somebody was let in before on this page

/** `connect` is called once somebody has signed in; `snoozeAll` is the control that concerns all cameras. */
export function start(connect, snoozeAll) {
  $("login").addEventListener("cancel", (event) => event.preventDefault());
  $("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("login-go").disabled = true;
    const trouble = await send("login", { name: $("login-name").value.trim(), password: $("login-password").value });
    $("login-go").disabled = false;
    $("login-password").value = "";
    say($("login-trouble"), trouble);
    $("login-trouble").hidden = !trouble;
    if (trouble) $("login-password").focus();
    else if (known) location.reload(); // nothing of whoever was here before may stay
    else {
      $("login").close();
      delete document.body.dataset.locked;
      connect();
    }
  });
  $("sign-out").addEventListener("click", async () => {
    const trouble = await send("login");
    if (trouble) say($("announcer"), trouble);
    else location.reload();
  });
  page.events.addEventListener("you", () => {
    snoozeAll.hidden = page.scoped() || !page.may("operator");
  });
}

/** Ask who it is, and show nothing meanwhile. */
export function ask() {
  document.body.dataset.locked = "";
  if ($("drawer").open) $("drawer").close();
  if (!$("login").open) $("login").showModal();
}

/** Take over what the server says of us; false where somebody else was here, or may see or do something else now. */
export function become(you) {
  if (known && JSON.stringify(you) !== JSON.stringify(page.you)) {
    location.reload(); // as above
    return false;
  }
  page.you = you;
  known = true;
  say($("who"), you.name ? `${you.name} · ${you.role}${you.cameras.length ? `, ${you.cameras.join(", ")}` : ""}` : "");
  $("who").hidden = $("sign-out").hidden = !you.name;
  document.querySelector('nav a[data-view="system"]').hidden = page.scoped();
  page.tell("you", you);
  return true;
}
