// Makes window.Plotly, once a browser tab, from the gzipped script that Python sends as bytes: no network, no copy in
// this repository. The message never changes, so Streamlit's browser cache keeps it and reruns send its hash only.

export default function ({ data, parentElement }) {
  hide(parentElement);
  const slot = (globalThis.__layerscopePlotly ??= {});
  slot.promise ??= new Promise((resolve, reject) => Object.assign(slot, { resolve, reject }));
  if (slot.started) return;
  slot.started = true;
  load(data).then(slot.resolve, slot.reject);
}

async function load(bytes) {
  const script = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const tag = Object.assign(document.createElement("script"), { src: url });
  await new Promise((resolve, reject) => {
    tag.onload = resolve;
    tag.onerror = () => reject(new Error("the browser refused the plotly.js script"));
    document.head.appendChild(tag);
  });
  URL.revokeObjectURL(url);
  return globalThis.Plotly;
}

// An element that shows nothing should not take up a gap in the page either.
function hide(host) {
  const container = host.closest('[data-testid="stElementContainer"]');
  if (container) container.style.display = "none";
}
