// What the page says: verdicts, reasons and states in words, and small formats. No DOM but element building.

export const VERDICTS = {
  fake: { word: "Fake", rank: 6, icon: "M7 2h10l5 5v10l-5 5H7l-5-5V7z M8.5 8.5l7 7 M15.5 8.5l-7 7" },
  suspect: { word: "Suspect", rank: 5, icon: "M12 3l10 18H2z M12 10v5 M12 18v.1" },
  stale: { word: "Stale", rank: 4, icon: "M6 3h12 M6 21h12 M7 3c0 5 3.5 7 5 9 1.5-2 5-4 5-9 M7 21c0-5 3.5-7 5-9 1.5 2 5 4 5 9" },
  offline: { word: "Offline", rank: 3, icon: "M12 3a9 9 0 1 0 .01 0z M5.7 5.7l12.6 12.6" },
  unsure: { word: "Unsure", rank: 2, icon: "M12 3a9 9 0 1 0 .01 0z M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7 M12 16.8v.1" },
  "no-face": { word: "No face", rank: 1, icon: "M12 3a9 9 0 1 0 .01 0z M8 12h8" },
  clean: { word: "Clean", rank: 0, icon: "M12 3a9 9 0 1 0 .01 0z M8 12.5l2.8 2.8L16 9.5" },
};

const WHY = {
  "never-reported": "No streamer has reported this camera yet",
  "streamer-silent": "The streamer has gone silent: what is shown is old",
  "clock-ahead": "The streamer's clock is ahead of this server's: set it by NTP",
  "no-frames": "Connected, but no frames arrive",
  "not-analysed": "Connected, but this machine does not keep up: nothing is looked at",
  "not-scored": "Faces are seen but not scored: is a worker running?",
  behind: "Scores arrive too late: the worker is behind",
  gathering: "A face is in view; the first score is on its way",
  frozen: "The picture is frozen",
  "redis-lost": "Redis does not answer: what is shown is old",
  "link-lost": "This page is not connected: what is shown is old",
  "page-silent": "The server sends no news of this camera: what is shown is old",
};

const STATES = {
  connecting: ["connecting", "Connecting to the camera"],
  waiting: ["waiting", "Waiting for a program such as OBS to push its picture"],
  live: ["live", ""],
  frozen: ["frozen", "The picture is frozen"],
  ended: ["ended", "The file has ended"],
  unauthorised: ["unauthorised", "The camera refuses the user or password"],
  certificate: ["certificate refused", "The camera's certificate does not verify: set its ca, or verify: false"],
  refused: ["refused", "Connection refused: is the camera's server running?"],
  timeout: ["timeout", "The camera does not answer: is it on, and reachable?"],
  "no-video": ["no video", "The stream carries no video"],
  "unsupported-codec": ["unsupported codec", "The codec is not supported: choose H.264 or H.265"],
  "not-found": ["not found", "No such stream or file: check the path"],
  disconnected: ["disconnected", "The camera hung up; the streamer is reconnecting"],
  failed: ["failed", "The camera can't be read: run 'unmask check'"],
  "over-limit": ["over limit", "The camera sends more than is decoded: choose a smaller stream"],
  forbidden: ["forbidden", "The camera's server points to another host, which is not allowed"],
  quarantined: ["quarantined", "The camera has brought the streamer down; it is tried again now and then"],
  unknown: ["not reported", "No streamer has reported this camera yet"],
};

export const KINDS = {
  sustained: "Possible deepfake",
  spike: "Possible deepfake, for a moment",
  offline: "Camera offline",
  frozen: "Picture frozen",
  "no-face": "Nobody in view",
};

export const REVIEWS = { confirmed: "Confirmed", "false-alarm": "False alarm" };

export const END_REASONS = {
  cleared: "scores fell below the threshold",
  "track-ended": "this face is seen no more",
  "camera-lost": "the camera was lost",
  "camera-removed": "the camera was removed",
};

/** "1 alert", "2 alerts". */
export const count = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

export const stateWord = (state) => (STATES[state] || [state])[0];

export function whyWords(view) {
  if (view.why in WHY) return WHY[view.why];
  if (view.verdict === "offline") return (STATES[view.state] || ["", view.state])[1];
  if (view.verdict === "unsure") return view.why ? `Can't be judged: ${view.why}` : "Can't be judged";
  if (view.verdict === "no-face") return "Watching; nobody is in view";
  if (view.p_fake !== null && view.p_fake !== undefined) return `Score ${view.p_fake.toFixed(2)}`;
  return view.why || "";
}

/** Where in the picture a face is, as "top left"; empty where that is not known. */
export function place({ box, frame_size: size }) {
  if (!box || !size?.[0] || !size[1]) return "";
  const third = (n) => Math.min(2, Math.max(0, Math.floor(((box[n] + box[n + 2] / 2) / size[n]) * 3)));
  return [["top", "", "bottom"][third(1)], ["left", "", "right"][third(0)]].filter(Boolean).join(" ") || "middle";
}

export const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false });

export function stamp(at) {
  const day = new Date(at * 1000);
  const today = day.toDateString() === new Date().toDateString();
  return today ? clock(at) : `${day.toLocaleDateString([], { day: "numeric", month: "short" })} ${clock(at)}`;
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export const latency = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

export function bytes(count) {
  return count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
}

/** An element with properties and children; text goes in as text, never as markup. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name.startsWith("aria-") || name === "role" || name === "datetime") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** Set text only when it differs, so that screen readers and selections are left in peace. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
