// The wall: the live view as a picture to be read from four metres. Trouble first, no scrolling, calm when calm.

import { page } from "./page.js";
import { VERDICTS, count, el } from "./words.js";

export const sheet = "wall.css";
const GAP_PX = 12;
const LEAST_PX = 140; // a narrower tile has no room for its name

export function show() {
  const grid = document.getElementById("cameras");
  const calm = el("p", { class: "wall-calm", id: "wall-calm" });
  document.getElementById("alerts").before(calm);
  const leave = el("button", { type: "button", class: "wall-leave", onclick: () => page.go("#/") }, "Leave the wall");
  const full = el("button", { type: "button", class: "wall-leave", onclick: () => document.documentElement.requestFullscreen() }, "Full screen");
  const bar = el("div", { class: "wall-bar" }, full, leave);
  document.body.append(bar);
  const arrange = () => fit(grid, calm);
  arrange();
  page.events.addEventListener("tick", arrange);
  page.events.addEventListener("camera", arrange);
  page.events.addEventListener("alert", arrange);
  addEventListener("resize", arrange);
  return () => {
    page.events.removeEventListener("tick", arrange);
    page.events.removeEventListener("camera", arrange);
    page.events.removeEventListener("alert", arrange);
    removeEventListener("resize", arrange);
    calm.remove();
    bar.remove();
    grid.style.gridTemplateColumns = "";
    document.body.removeAttribute("data-crowded");
    for (const card of grid.children) card.style.order = "";
    if (document.fullscreenElement) document.exitFullscreen();
  };
}

/** As many columns as make the pictures largest; the worst come first. What gets too small for it is scrolled. */
function fit(grid, calm) {
  const cards = [...grid.children];
  for (const card of cards) card.style.order = String(-(VERDICTS[card.dataset.verdict]?.rank ?? 0));
  const { clientWidth: width } = grid;
  const height = innerHeight - grid.getBoundingClientRect().top - GAP_PX;
  const words = Math.max(0, ...cards.map((card) => card.offsetHeight - card.querySelector(".picture").offsetHeight));
  let best = [0, 1];
  for (let columns = 1; columns <= Math.max(1, cards.length); columns++) {
    const room = height / Math.ceil(cards.length / columns) - GAP_PX - words; // for a picture of 16:9
    const side = Math.min(width / columns - GAP_PX, (room * 16) / 9);
    if (side > best[0]) best = [side, columns];
  }
  const crowded = cards.length > 0 && best[0] < LEAST_PX;
  if (crowded) {
    const columns = Math.max(1, Math.floor((width + GAP_PX) / (LEAST_PX + GAP_PX)));
    best = [(width + GAP_PX) / columns - GAP_PX, columns];
  }
  document.body.toggleAttribute("data-crowded", crowded);
  grid.style.gridTemplateColumns = `repeat(${best[1]}, minmax(0, ${Math.floor(best[0])}px))`;
  const open = [...page.alerts.values()].filter((alert) => alert.ended === null).length;
  const bad = cards.filter((card) => (VERDICTS[card.dataset.verdict]?.rank ?? 9) >= VERDICTS.offline.rank).length;
  calm.dataset.calm = String(!open && !bad && page.link === "live" && page.bus === "ok");
  const headline = page.link !== "live" ? "Not connected" : open ? count(open, "open alert") : page.bus !== "ok" ? "Redis lost" : bad ? "No open alerts" : "All calm";
  calm.replaceChildren(headline, el("small", {}, `${count(cards.length, "camera")} watched${bad ? `, ${bad} need${bad === 1 ? "s" : ""} attention` : ""}`));
}
