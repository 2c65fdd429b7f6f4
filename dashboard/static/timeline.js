// The rolling score line of a camera: one line per track, coloured by verdict, hatched where nothing was scored.

export const SECONDS = 120;
const GAP_S = 3; // two scores further apart are not joined
const AHEAD_S = 5; // later than this from now is of a clock that was set back since
const PAD = { left: 26, right: 6, top: 7, bottom: 14 };

export class Timeline {
  #tracks = new Map();
  #canvas;
  threshold = null;

  constructor(canvas) {
    this.#canvas = canvas;
  }

  load(tracks) {
    for (const [track, points] of Object.entries(tracks)) for (const point of points) this.add(track, ...point);
  }

  add(track, at, p, verdict) {
    const points = this.#tracks.get(track) || [];
    this.#tracks.set(track, points);
    let place = points.length;
    while (place > 0 && points[place - 1].at > at) place--;
    if (place > 0 && points[place - 1].at === at) return;
    points.splice(place, 0, { at, p, verdict });
  }

  /** What the newest points say, for those who can't see the line. */
  describe(now) {
    const lines = [...this.#tracks.values()].filter((points) => points.length && now - points.at(-1).at < 10);
    if (!lines.length) return "Score timeline: no scores in the last 10 seconds";
    const newest = lines.map((points) => points.at(-1).p.toFixed(2)).join(", ");
    return `Score timeline of the last ${SECONDS} seconds; newest ${newest}`;
  }

  draw(now) {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width) return;
    if (this.#canvas.width !== Math.round(width * ratio)) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
    }
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const x = (at) => PAD.left + (1 - (now - at) / SECONDS) * (width - PAD.left - PAD.right);
    const y = (p) => PAD.top + (1 - p) * (height - PAD.top - PAD.bottom);
    this.#forget(now);
    this.#grid(pen, x, y, width, colour, now);
    this.#gaps(pen, x, y, colour, now);
    for (const points of this.#tracks.values()) this.#line(pen, points, x, y, colour);
  }

  #forget(now) {
    for (const [track, points] of this.#tracks) {
      while (points.length && points[0].at < now - SECONDS) points.shift();
      if (!points.length || points.at(-1).at > now + AHEAD_S) this.#tracks.delete(track);
    }
  }

  #grid(pen, x, y, width, colour, now) {
    pen.font = "10px system-ui, sans-serif";
    pen.fillStyle = colour("quiet");
    pen.strokeStyle = colour("line");
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const p of [0, 0.5, 1]) {
      pen.fillText(p === 0.5 ? ".5" : String(p), PAD.left - 6, y(p));
      rule(pen, PAD.left, y(p), width - PAD.right);
    }
    pen.textBaseline = "alphabetic";
    for (const [ago, align] of [[SECONDS, "left"], [SECONDS / 2, "center"], [0, "right"]]) {
      pen.textAlign = align;
      pen.fillText(ago ? `−${ago} s` : "now", x(now - ago), y(0) + 12);
    }
    if (this.threshold !== null) {
      pen.strokeStyle = colour("fake");
      pen.setLineDash([5, 4]);
      rule(pen, PAD.left, y(this.threshold), width - PAD.right);
      pen.setLineDash([]);
    }
  }

  #gaps(pen, x, y, colour, now) {
    const times = [...this.#tracks.values()].flat().map((point) => point.at).sort((a, b) => a - b);
    let last = now - SECONDS;
    pen.strokeStyle = colour("hatch");
    pen.lineWidth = 1;
    for (const at of [...times, now]) {
      if (at - last > GAP_S) hatch(pen, x(last), y(1), x(at), y(0));
      last = Math.max(last, at);
    }
  }

  #line(pen, points, x, y, colour) {
    pen.lineWidth = 2;
    pen.lineCap = "round";
    for (let n = 1; n < points.length; n++) {
      const [from, to] = [points[n - 1], points[n]];
      if (to.at - from.at > GAP_S) continue;
      pen.strokeStyle = colour(to.verdict);
      pen.setLineDash(to.verdict === "unsure" ? [2, 4] : []);
      pen.beginPath();
      pen.moveTo(x(from.at), y(from.p));
      pen.lineTo(x(to.at), y(to.p));
      pen.stroke();
    }
    pen.setLineDash([]);
    const newest = points.at(-1);
    if (!newest) return;
    pen.fillStyle = colour(newest.verdict);
    pen.beginPath();
    pen.arc(x(newest.at), y(newest.p), 3, 0, 7);
    pen.fill();
  }
}

function rule(pen, left, at, right) {
  pen.beginPath();
  pen.moveTo(left, Math.round(at) + 0.5);
  pen.lineTo(right, Math.round(at) + 0.5);
  pen.stroke();
}

function hatch(pen, left, top, right, bottom) {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, right - left, bottom - top);
  pen.clip();
  pen.beginPath();
  const rise = bottom - top;
  // Lines keep their place on the canvas, so a gap that moves does not shimmer.
  for (let start = Math.floor((left - rise) / 8) * 8; start < right; start += 8) {
    pen.moveTo(start, bottom);
    pen.lineTo(start + rise, top);
  }
  pen.stroke();
  pen.restore();
}
