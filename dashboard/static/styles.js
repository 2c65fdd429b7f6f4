// Style sheets of views that are loaded when first shown.

/** Resolves when the sheet applies, so that nothing is seen without it. */
export function styled(name) {
  if (document.querySelector(`link[href$="/${name}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/static/${name}` });
  document.head.append(link);
  return new Promise((done) => (link.onload = link.onerror = done));
}
