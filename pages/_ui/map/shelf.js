// What the map needs and rarely changes, stored where it finds it: plotly.js and the figure. Each comes in a message
// of its own that is the same on every rerun, so Streamlit's browser cache keeps it and a rerun sends only its hash.
// plotly.js is gzipped bytes from the installed plotly package; a figure is {version, figure}.

const FIGURES_KEPT = 8;

export default function ({ data, parentElement }) {
  hide(parentElement);
  const shelf = (globalThis.__layerscope ??= new Map());
  const id = data instanceof Uint8Array ? "plotly" : data.version;
  const slot = shelf.get(id) ?? Promise.withResolvers();
  shelf.delete(id); // and set again: the map remembers the order, the oldest figures go first
  shelf.set(id, slot);
  if (!slot.filled) fill(slot, data);
  const figures = [...shelf.keys()].filter((key) => key !== "plotly");
  for (const old of figures.slice(0, -FIGURES_KEPT)) shelf.delete(old);
}

function fill(slot, data) {
  slot.filled = true;
  if (data instanceof Uint8Array) load(data).then(slot.resolve, slot.reject);
  else slot.resolve(JSON.parse(data.figure));
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

// An element that shows nothing should not leave a gap in the page.
function hide(host) {
  const container = host.closest('[data-testid="stElementContainer"]');
  if (container) container.style.display = "none";
}
