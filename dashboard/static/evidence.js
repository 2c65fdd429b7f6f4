// What an alert rests on: crops, heat map, score trace, whole picture, clip and facts. What is not there is said.

import { alertPath, picture } from "./api.js";
import { drawTrace } from "./trace.js";
import { clock, el, latency } from "./words.js";

const HEAT_WORDS =
  "Warm where covering that part of the face lowers the score most. It shows what the score rests on; it does not prove where, or that, anything was changed.";
const DRIVEN = "Nothing is kept of this alert: its evidence was too old, or gave way to newer alerts.";

/** Fills `root`; returns a function that lets its pictures go. `found` is what REST says, `young`: more may come. */
export function showEvidence(root, found, young) {
  const urls = [];
  const { alert, evidence } = found;
  if (!evidence) {
    root.replaceChildren(el("p", { class: "quiet" }, young ? "The evidence is being put together…" : DRIVEN));
    return () => {};
  }
  const fetched = async (what) => {
    const url = await picture(alertPath(alert.id, `/evidence/${what}`));
    if (url) urls.push(url);
    return url;
  };
  root.replaceChildren(
    section("Faces", ...faces(evidence, fetched)),
    section("Scores", evidence.trace.length ? drawTrace(evidence.trace, alert) : missing("score trace", young)),
    section("What the score rests on", heat(evidence, fetched, young)),
    section("Whole picture", whole(evidence, fetched, young)),
    section("Video", clip(evidence, fetched, young)),
    section("Facts", facts(alert, evidence)),
  );
  return () => urls.forEach((url) => URL.revokeObjectURL(url));
}

const section = (title, ...children) => el("section", { class: "evidence" }, el("h3", {}, title), ...children);
const missing = (what, young) => el("p", { class: "quiet" }, young ? `The ${what} is being made…` : `There is no ${what}.`);

function image(alt, source, name = "") {
  const shown = el("img", { alt, class: name });
  source.then((url) => (url ? (shown.src = url) : shown.replaceWith(el("p", { class: "quiet" }, `${alt}: no longer kept`))));
  return shown;
}

function faces(evidence, fetched) {
  const crops = evidence.crops.map((crop, n) => {
    const score = crop.p_fake === null ? "" : crop.p_fake.toFixed(2);
    const peak = n === evidence.peak;
    const words = `Face ${n + 1} of ${evidence.crops.length}${score ? `, score ${score}` : ""}${peak ? ", the highest" : ""}`;
    return el("figure", { class: "crop", data: peak ? { peak: "" } : {} }, image(words, fetched(`${n}.jpg`)), el("figcaption", {}, score || " "));
  });
  const sheet = evidence.sheet
    ? el("a", { class: "more", target: "_blank", rel: "noopener" }, "Open the contact sheet")
    : "";
  if (sheet) fetched("sheet.jpg").then((url) => (url ? (sheet.href = url) : sheet.remove()));
  return [el("div", { class: "sheet" }, ...crops), sheet];
}

function heat(evidence, fetched, young) {
  if (!evidence.heat) return missing("heat map", young);
  return el("div", { class: "heat" }, image("Heat map over the face with the highest score", fetched("heat.jpg")), el("p", {}, HEAT_WORDS));
}

function whole(evidence, fetched, young) {
  if (!evidence.picture) return missing("whole picture", young);
  return image(`The camera's whole picture at ${clock(evidence.picture.captured)}, the face boxed`, fetched("picture.jpg"), "whole");
}

function clip(evidence, fetched, young) {
  if (!evidence.clip) return el("p", { class: "quiet" }, young ? "If clips are kept, this one is being made." : "No clip is kept (alerts.evidence_clip).");
  const { started, ended, codec, as_received: raw } = evidence.clip;
  const video = el("video", { controls: true, muted: true, preload: "metadata" });
  video.setAttribute("aria-label", `Video from ${clock(started)} to ${clock(ended)}`);
  fetched("clip.mp4").then((url) => url && (video.src = url));
  return el("div", {}, video, el("p", { class: "quiet" }, `${clock(started)} to ${clock(ended)}, ${codec}, ${raw ? "as the camera sent it" : "encoded anew"}`));
}

function facts(alert, evidence) {
  const { quality, camera } = evidence;
  const rows = [
    ["Model", evidence.model],
    ["Threshold", evidence.threshold.toFixed(2)],
    ["Window", `${evidence.window}, score ${evidence.p_fake.toFixed(2)}`],
    ["Face", `${Math.round(quality.face_px)} px, sharpness ${Math.round(quality.sharpness)}, brightness ${Math.round(quality.brightness)}${quality.yaw === null ? "" : `, yaw ${quality.yaw.toFixed(2)}`}`],
    ["Windows counted", String(alert.windows)],
  ];
  if (camera) {
    rows.push(["Stream", `${camera.frame_size.join(" × ")}, ${camera.fps.toFixed(1)} fps, ${camera.analysed_fps.toFixed(1)} analysed, ${camera.reconnects} reconnects`]);
    rows.push(["Source", `${camera.source}, faces by ${camera.detector}`]);
    if (camera.last_frame) rows.push(["Picture's age then", latency(Math.max(0, camera.updated - camera.last_frame))]);
  }
  return el("dl", { class: "facts" }, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}
