// The scores before and during an alert, as a drawing: threshold, opening, verdict colours, and the same in words.

import { clock } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 150, 30, 8, 10, 20];
const GAP_S = 3; // two scores further apart are not joined

/** An SVG element of `points` ([captured, p_fake, verdict]); `alert` gives threshold and times. */
export function drawTrace(points, alert) {
  const first = points[0][0];
  const last = Math.max(points.at(-1)[0], first + 1);
  const x = (at) => LEFT + ((at - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (p) => TOP + (1 - p) * (HEIGHT - TOP - BOTTOM);
  const picture = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "trace", role: "img", "aria-label": inWords(points, alert) });
  for (const p of [0, 0.5, 1]) {
    picture.append(make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(p), y2: y(p), class: "rule" }));
    picture.append(text(LEFT - 5, y(p) + 3, p === 0.5 ? ".5" : String(p), "end"));
  }
  if (alert.started >= first && alert.started <= last) {
    const end = Math.min(alert.ended ?? last, last);
    picture.append(make("rect", { x: x(alert.started), width: Math.max(1, x(end) - x(alert.started)), y: TOP, height: HEIGHT - TOP - BOTTOM, class: "open" }));
  }
  if (alert.threshold !== null) picture.append(make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(alert.threshold), y2: y(alert.threshold), class: "threshold" }));
  for (let n = 1; n < points.length; n++) {
    const [[from, p], [to, q, verdict]] = [points[n - 1], points[n]];
    if (to - from <= GAP_S) picture.append(make("line", { x1: x(from), y1: y(p), x2: x(to), y2: y(q), "data-verdict": verdict, class: "score" }));
  }
  for (const [at, p, verdict] of points.length > 120 ? [] : points) picture.append(make("circle", { cx: x(at), cy: y(p), r: 2.5, "data-verdict": verdict }));
  for (const [at, anchor] of [[first, "start"], [last, "end"]]) picture.append(text(x(at), HEIGHT - 5, clock(at), anchor));
  return picture;
}

function inWords(points, alert) {
  const scores = points.map(([, p]) => p);
  const over = alert.threshold === null ? 0 : scores.filter((p) => p >= alert.threshold).length;
  return `${points.length} scores from ${clock(points[0][0])} to ${clock(points.at(-1)[0])}; highest ${Math.max(...scores).toFixed(2)}, lowest ${Math.min(...scores).toFixed(2)}, ${over} at or above the threshold`;
}

function make(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function text(x, y, words, anchor) {
  const made = make("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}
