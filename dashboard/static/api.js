// REST. Whoever has signed in is known by a cookie, which the browser sends and no script can read.

function ask(path, options = {}) {
  return fetch(`/api/v1/${path}`, { cache: "no-cache", signal: AbortSignal.timeout(15000), ...options });
}

/** Parsed JSON, or null for any failure: what can't be had is left out, the socket tells when all is lost. */
export async function json(path) {
  try {
    const answer = await ask(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** As `json`, and the status: 0 where nothing answered. */
export async function answer(path) {
  try {
    const answer = await ask(path);
    return { status: answer.status, found: answer.ok ? await answer.json() : null };
  } catch {
    return { status: 0, found: null };
  }
}

/** A blob url of a picture or clip, or null; the caller revokes it. */
export async function picture(path) {
  try {
    const answer = await ask(path);
    return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
  } catch {
    return null;
  }
}

/** POST (or DELETE, without a body): "" when done, else why not, in words. */
export async function send(path, body) {
  const method = body === undefined ? "DELETE" : "POST";
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  try {
    const answer = await ask(path, { method, headers, body: body && JSON.stringify(body) });
    if (answer.ok) return "";
    return (await answer.json().catch(() => null))?.error || `The dashboard answered ${answer.status}`;
  } catch {
    return "The dashboard does not answer";
  }
}

/** Save an answer as a file; whether that went well. */
export async function download(path, filename) {
  const href = await picture(path);
  if (href === null) return false;
  const link = Object.assign(document.createElement("a"), { href, download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
  return true;
}

export const cameraPath = (name, what) => `cameras/${encodeURIComponent(name)}/${what}`;
export const alertPath = (id, what = "") => `alerts/${encodeURIComponent(id)}${what}`;
