// Style sheets of views that are loaded when first shown.

export function styled(name) {
  if (document.querySelector(`link[href$="/${name}"]`)) return;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/static/${name}` }));
}
