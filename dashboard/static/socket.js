// The subscription: hello, welcome, subscribe, and resuming by cursor after every loss.

const BACKOFF_MS = [300, 700, 1500, 3000, 5000];
const CLOSE_UNAUTHORISED = 4401;

/** Events: welcome, message, link ("connecting" | "live" | "lost"), unauthorised. */
export class Link extends EventTarget {
  #socket = null;
  #failures = 0;
  #cursor = null;
  #heard = 0;
  #silenceMs = 15000;
  #retry = 0;

  start() {
    setInterval(() => this.#watch(), 1000);
    addEventListener("online", () => this.#again(0));
    this.#open();
  }

  /** Start afresh at once: signed in, or when events were lost. */
  restart() {
    this.#cursor = null;
    this.#again(0);
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.#socket = new WebSocket(`${scheme}://${location.host}/ws/v1`));
    this.#heard = performance.now();
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: 1 }));
    socket.onmessage = (event) => socket === this.#socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
  }

  #receive(message) {
    this.#heard = performance.now();
    if (message.type === "welcome") this.#welcomed(message);
    else {
      if (message.type === "alert") this.#cursor = message.cursor;
      if (message.type === "heartbeat" && message.cursor) this.#cursor = message.cursor;
      this.#tell("message", message);
    }
  }

  #welcomed(message) {
    this.#failures = 0;
    this.#silenceMs = (message.heartbeat_s + 3) * 1000;
    this.#tell("welcome", message);
    this.#tell("link", "live");
    this.#cursor ??= message.cursor;
    const topics = ["alerts", "scores", "cameras"];
    const subscribe = { type: "subscribe", id: "page", topics, since: this.#cursor };
    this.#socket.send(JSON.stringify(subscribe));
  }

  #closed(code) {
    this.#socket = null;
    if (code === CLOSE_UNAUTHORISED) {
      this.#tell("unauthorised", null);
      return;
    }
    this.#tell("link", "lost");
    this.#again(BACKOFF_MS[Math.min(this.#failures++, BACKOFF_MS.length - 1)] * (0.8 + Math.random() * 0.4));
  }

  #again(wait) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      const old = this.#socket;
      this.#socket = null;
      if (old) old.close();
      this.#open();
    }, wait);
  }

  /** A connection that says nothing is lost, whatever TCP believes. */
  #watch() {
    if (this.#socket && performance.now() - this.#heard > this.#silenceMs) {
      const silent = this.#socket;
      this.#socket = null;
      silent.close();
      this.#closed(1006);
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
