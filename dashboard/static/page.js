// What all views share: the link's state, the newest of every camera and alert, and the news as events.

const ROLES = ["viewer", "operator", "admin"]; // each may do what those before it may
const MOST = 600; // alerts remembered; a wall display runs for months

export const page = {
  link: "connecting",
  staleAfter: 5,
  offset: 0, // server time minus this machine's: a wrong clock here makes nothing look fresh
  bus: "ok",
  services: null,
  you: { name: "", role: "viewer", cameras: [] }, // whom the server takes us for
  model: "",
  query: "", // of the view's hash
  cameras: new Map(), // name -> CameraView
  alerts: new Map(), // id -> Alert, its review kept though later events carry none
  events: new EventTarget(), // "alert" (message), "camera" (view), "link", "tick"
  now: () => Date.now() / 1000 + page.offset,
  tell: (name, detail) => page.events.dispatchEvent(new CustomEvent(name, { detail })),
  go: (hash) => (location.hash = hash),
  may: (role) => ROLES.indexOf(page.you.role) >= ROLES.indexOf(role),
  scoped: () => page.you.cameras.length > 0,
};

/** Take an alert's newest form: an end is final, and a review stays until another comes. */
export function remember(alert) {
  const known = page.alerts.get(alert.id);
  if (known && !alert.review && known.review) alert = { ...alert, review: known.review };
  if (known?.ended && !alert.ended) alert = { ...known, review: alert.review };
  page.alerts.set(alert.id, alert);
  if (page.alerts.size > MOST) forget();
  return alert;
}

/** The oldest that have ended go first; whoever opens one asks the server again. */
function forget() {
  for (const [id, { ended }] of page.alerts) {
    if (page.alerts.size <= MOST / 2) return;
    if (ended !== null) page.alerts.delete(id);
  }
}

export const reviewOf = (alert) => (alert.review && alert.review.verdict !== "none" ? alert.review : null);
