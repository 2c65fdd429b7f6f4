// REST with the token, which lives in sessionStorage and nowhere else.

const KEY = "unmask-token";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  drop: () => sessionStorage.removeItem(KEY),
};

async function get(path) {
  const headers = token.get() === null ? {} : { authorization: `Bearer ${token.get()}` };
  const answer = await fetch(`/api/v1/${path}`, { headers, cache: "no-store", signal: AbortSignal.timeout(8000) });
  return answer.ok ? answer : null;
}

/** Parsed JSON, or null for any failure: what can't be had is left out, the socket tells when all is lost. */
export async function json(path) {
  try {
    const answer = await get(path);
    return answer && (await answer.json());
  } catch {
    return null;
  }
}

/** A blob url of a picture, or null; the caller revokes it. */
export async function picture(path) {
  try {
    const answer = await get(path);
    return answer && URL.createObjectURL(await answer.blob());
  } catch {
    return null;
  }
}

export const cameraPath = (name, what) => `cameras/${encodeURIComponent(name)}/${what}`;
export const alertPath = (id, what = "") => `alerts/${encodeURIComponent(id)}${what}`;
