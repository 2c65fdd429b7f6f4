// Hash routes. The drawer opens over any view and gives the focus back to whatever opened it.

import { page } from "./page.js";
import { styled } from "./styles.js";

const VIEWS = { "": "live", history: "history", system: "system", wall: "wall" };
const AHEAD_MS = 1500; // after the first picture
const $ = (id) => document.getElementById(id);
let hide = () => {};
let shown = null;
let turn = 0;
let opener = null;
let failed = false;

/** The hash of an alert over the view at hand. */
export const alertHash = (id) => `#/alert/${encodeURIComponent(id)}`;

export function start() {
  addEventListener("hashchange", route);
  page.events.addEventListener("link", ({ detail }) => detail === "live" && failed && route());
  setTimeout(() => ["drawer", "history", "system", "wall"].forEach((name) => load(name).catch(() => {})), AHEAD_MS);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.('a[href^="#/alert/"]')) opener = event.target.closest("a");
  });
  return route();
}

/** A view's module, its style sheet in place. Fetched ahead too: it must be there when the dashboard is not. */
async function load(name) {
  const module = await import(`./${name}.js`);
  await styled(module.sheet);
  return module;
}

async function route() {
  failed = false;
  try {
    await lead();
  } catch {
    failed = true; // the dashboard is away, which the page says already; tried again when it is back
  }
}

async function lead() {
  const mine = ++turn; // a later address wins, however long this one takes to load
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, ...rest] = path.split("/");
  if (first === "alert") {
    if (shown === null) await show("live", "", mine);
    const { open } = await load("drawer");
    if (mine === turn) open($("drawer"), decoded(rest.join("/")), closed);
    return;
  }
  if ($("drawer").open) (await load("drawer")).shut($("drawer"));
  await show(VIEWS[first] || "live", query, mine);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand
  }
}

/** Back to the view under the drawer. */
function closed() {
  const back = shown === "live" ? "#/" : `#/${shown}${page.query ? `?${page.query}` : ""}`;
  if (location.hash.startsWith("#/alert/")) history.pushState(null, "", back);
  if (opener?.isConnected) opener.focus();
  opener = null;
}

async function show(name, query, mine) {
  if (name === shown && query === page.query) return;
  hide();
  hide = () => {};
  [shown, page.query] = [name, query];
  document.body.dataset.view = name;
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("data-current", link.dataset.view === name);
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("live").hidden = name === "history" || name === "system";
  $("view").hidden = !$("live").hidden;
  $("view").replaceChildren();
  if (name === "live") return;
  const view = await load(name);
  if (mine === turn) hide = view.show($("view"), new URLSearchParams(query)) || hide;
}
