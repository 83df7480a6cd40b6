// The clickable map: draws the Plotly figure made in Python, reports gestures as {n, rect: [i0, j0, i1, j1]} or
// {n, clear: true}. Gestures queue until Python acknowledges them (by `seen`), so that quick ones are
// neither lost nor applied twice.

const MAX_SIDE_PX = 640;
const CLICK_SLACK_PX = 4;
const DOUBLE_CLICK_MS = 350;
const HINT = "Click a cell, or drag over several. Keyboard: arrows move, Shift+arrows extend, Enter selects, Delete clears.";
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const views = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const view = views.get(parentElement) ?? open(parentElement);
  view.send = (gestures) => setStateValue("gestures", gestures);
  receive(view, data);
  return () => close(view);
}

// What shelf.js stores, or will store, under `id`: "plotly" or the version of a figure.
function fromShelf(id) {
  const shelf = (globalThis.__layerscope ??= new Map());
  if (!shelf.has(id)) shelf.set(id, Promise.withResolvers());
  return shelf.get(id).promise;
}

function open(host) {
  const root = host.querySelector(".ls-map");
  const part = (name) => root.querySelector(`.ls-map-${name}`);
  const view = {
    host, root, plot: part("plot"), cursorBox: part("cursor"), dragBox: part("box"), line: part("line"),
    waiting: [], n: 0, cursor: null, anchor: null, drag: null, lastClick: null, drawn: {}, drawing: Promise.resolve(),
  };
  views.set(host, view);
  listen(view);
  view.observer = new ResizeObserver(() => draw(view));
  view.observer.observe(root);
  say(view, null);
  return view;
}

function close(view) {
  view.closed = true;
  view.observer.disconnect();
  views.delete(view.host);
  view.drawing.then(() => view.drawn.width && globalThis.Plotly.purge(view.plot));
}

function receive(view, data) {
  if (view.data?.session !== data.session) view.waiting = [];
  view.waiting = view.waiting.filter((gesture) => gesture.n > data.seen);
  view.n = Math.max(view.waiting.at(-1)?.n ?? 0, data.seen);
  view.data = data;
  view.root.dataset.waiting = view.waiting.length;
  view.root.setAttribute("aria-label", data.label);
  for (const mark of ["chosen", "passing", "groups"]) view.root.querySelector(`.ls-map-${mark}`).hidden = !data.marks.includes(mark);
  draw(view);
}

// --- drawing --------------------------------------------------------------------------------------------------------

// Draws are chained: Plotly's calls are asynchronous and must not overlap.
function draw(view) {
  view.drawing = view.drawing.then(() => drawNow(view)).catch((error) => {
    view.line.textContent = `The map could not be drawn: ${error.message}`;
  });
}

async function drawNow(view) {
  const width = view.root.clientWidth;
  if (!view.data || view.closed || width === 0) return;
  const { drawn, data } = view;
  const Plotly = await fromShelf("plotly");
  const figure = data.version === drawn.version ? view.figure : await fromShelf(data.version);
  if (view.closed) return;
  adopt(view, figure);
  const theme = themeOf(view.root);
  const shapes = JSON.stringify(data.shapes);
  const size = sizeFor(figure.layout.margin, width);
  if (drawn.version !== data.version || drawn.theme !== theme.key) {
    const layout = { ...themed(figure.layout, theme), ...size, shapes: data.shapes };
    await Plotly.react(view.plot, figure.data, layout, CONFIG);
    if (!drawn.width) view.plot.on("plotly_afterplot", () => place(view));
  } else {
    const resized = drawn.width === size.width ? {} : size; // setting a size, even the same one, redraws everything
    const patch = drawn.shapes === shapes ? resized : { shapes: data.shapes, ...resized };
    if (Object.keys(patch).length) await Plotly.relayout(view.plot, patch);
  }
  view.drawn = { version: data.version, theme: theme.key, shapes, width: size.width };
  view.root.dataset.drawn = `${data.version} ${data.seen}`;
  place(view);
}

function adopt(view, figure) {
  if (view.figure === figure) return;
  const states = figure.data[0].text.length;
  if (states !== view.states) view.cursor = view.anchor = view.said = null;
  Object.assign(view, { figure, states });
  say(view, view.said);
}

const CONFIG = {
  displaylogo: false, doubleClick: false, scrollZoom: false, responsive: false,
  modeBarButtons: [["zoomIn2d", "zoomOut2d", "pan2d", "select2d", "resetScale2d"], ["toImage"]],
  toImageButtonOptions: { filename: "similarity-map", scale: 2 },
};

function sizeFor({ l, r, t, b }, width) {
  const side = Math.max(160, Math.min(width - l - r, MAX_SIDE_PX - t - b));
  return { width: side + l + r, height: side + t + b };
}

function themeOf(root) {
  const style = getComputedStyle(root);
  const names = ["text-color", "background-color", "secondary-background-color", "border-color", "font"];
  const [text, paper, panel, border, font] = names.map((name) => style.getPropertyValue(`--st-${name}`).trim());
  return { text, paper, panel, border, font, key: [text, paper, panel, border, font].join() };
}

function themed(layout, { text, paper, panel, border, font }) {
  const type = { ...layout.font, color: text, family: font };
  const hoverlabel = { ...layout.hoverlabel, bgcolor: panel, bordercolor: border, font: type };
  return { ...layout, paper_bgcolor: paper, plot_bgcolor: paper, font: type, hoverlabel };
}

// --- cells and pixels -----------------------------------------------------------------------------------------------

function axes(view) {
  const { xaxis, yaxis } = view.plot._fullLayout;
  return { xaxis, yaxis };
}

function cellAt(view, event) {
  const { xaxis, yaxis } = axes(view);
  const area = view.plot.querySelector(".nsewdrag").getBoundingClientRect();
  const nearest = (axis, pixels, length) => {
    const inside = Math.min(Math.max(pixels, 0.5), length - 0.5);
    return Math.min(Math.max(Math.round(axis.p2d(inside)), 0), view.states - 1);
  };
  return [nearest(yaxis, event.clientY - area.top, area.height), nearest(xaxis, event.clientX - area.left, area.width)];
}

function rectOf([a, b], [c, d]) {
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

// Puts an overlay over the cells of `rect`, clipped to a zoomed plot; hides it without a rect.
function cover(view, box, rect, inset = 0) {
  if (!rect || !view.plot._fullLayout) return void (box.style.display = "none");
  const { xaxis, yaxis } = axes(view);
  const span = (axis, low, high) => {
    const ends = [axis.d2p(low - 0.5), axis.d2p(high + 0.5)].map((p) => Math.min(Math.max(p, 0), axis._length));
    return [axis._offset + Math.min(...ends), Math.abs(ends[1] - ends[0])];
  };
  const [left, width] = span(xaxis, rect[1], rect[3]);
  const [top, height] = span(yaxis, rect[0], rect[2]);
  const shown = width > 0 && height > 0;
  const edge = Math.min(inset, width / 6);
  const pixels = { left: left + edge, top: top + edge, width: width - 2 * edge, height: height - 2 * edge };
  box.style.display = shown ? "block" : "none";
  for (const [name, value] of Object.entries(pixels)) box.style[name] = `${value}px`;
}

// The cells at the keyboard cursor, or at the last click.
function marked(view) {
  return view.cursor && rectOf(view.anchor ?? view.cursor, view.cursor);
}

function place(view) {
  const focused = view.root.contains(document.activeElement);
  const { cursor, anchor, drag } = view;
  cover(view, view.cursorBox, focused && cursor && [...cursor, ...cursor], 4); // keeps a selected cell's outline visible
  const box = drag?.moved ? rectOf(drag.from, drag.to) : focused && anchor && marked(view);
  cover(view, view.dragBox, box);
}

// --- words ----------------------------------------------------------------------------------------------------------

function say(view, rect) {
  view.said = rect;
  view.line.classList.toggle("ls-hint", !rect);
  view.line.textContent = rect ? words(view, rect) : HINT;
}

function words(view, [i0, j0, i1, j1]) {
  const start = Math.min(i0, j0), stop = Math.max(i1, j1);
  const text = view.figure.data[0].text[start][stop].replaceAll("<br>", " · ");
  return i0 === i1 && j0 === j1 ? text : `Box: ${text}`;
}

// --- gestures -------------------------------------------------------------------------------------------------------

function send(view, gesture) {
  view.n += 1;
  view.waiting.push({ n: view.n, session: view.data.session, ...gesture });
  view.root.dataset.waiting = view.waiting.length;
  view.send([...view.waiting]);
}

function choose(view, rect) {
  say(view, rect);
  if (Math.min(rect[0], rect[1]) < Math.max(rect[2], rect[3])) send(view, { rect });
}

function listen(view) {
  const { root, plot } = view;
  const chooses = (event) =>
    event.target.closest(".nsewdrag") && view.plot._fullLayout.dragmode === "select" && event.button === 0;
  // Plotly must not see the press: it would cover the page with its own drag layer. Panning is left to Plotly.
  for (const name of ["mousedown", "touchstart"]) {
    plot.addEventListener(name, (event) => {
      if (event.target.closest(".nsewdrag") && view.plot._fullLayout.dragmode === "select") event.stopPropagation();
    }, true);
  }
  plot.addEventListener("pointerdown", (event) => chooses(event) && press(view, event));
  plot.addEventListener("pointermove", (event) => move(view, event));
  plot.addEventListener("pointerup", (event) => release(view, event));
  plot.addEventListener("pointercancel", () => abandon(view));
  plot.addEventListener("pointerleave", () => view.drag || say(view, marked(view)));
  root.addEventListener("keydown", (event) => keydown(view, event));
  root.addEventListener("focus", () => place(view));
  root.addEventListener("pointerdown", () => root.classList.remove("ls-keys"), true);
  root.addEventListener("keyup", () => root.classList.add("ls-keys")); // also fires for the Tab that brought focus
  root.addEventListener("blur", () => place(view));
}

function press(view, event) {
  const cell = cellAt(view, event);
  view.drag = { from: cell, to: cell, x: event.clientX, y: event.clientY, moved: false };
  view.plot.setPointerCapture(event.pointerId);
  view.root.focus({ preventScroll: true });
}

function move(view, event) {
  const { drag } = view;
  if (!drag) {
    if (event.target.closest(".nsewdrag")) say(view, rectOf(cellAt(view, event), cellAt(view, event)));
    return;
  }
  drag.moved ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > CLICK_SLACK_PX;
  if (!drag.moved) return;
  drag.to = cellAt(view, event);
  place(view);
  say(view, rectOf(drag.from, drag.to));
}

function release(view, event) {
  const { drag, lastClick } = view;
  if (!drag) return;
  move(view, event);
  view.drag = view.anchor = view.lastClick = null;
  view.cursor = drag.to;
  const rect = rectOf(drag.from, drag.to);
  const again = lastClick && `${lastClick.rect}` === `${rect}` && event.timeStamp - lastClick.time < DOUBLE_CLICK_MS;
  if (!drag.moved && again) send(view, { clear: true });
  else choose(view, rect);
  if (!drag.moved && !again) view.lastClick = { rect, time: event.timeStamp };
  place(view);
}

function abandon(view) {
  view.drag = view.anchor = view.cursor = null;
  say(view, null);
  place(view);
}

function keydown(view, event) {
  if (!view.figure || event.target !== view.root || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (key in ARROWS) step(view, ARROWS[key], event.shiftKey);
  else if (key === "Escape") abandon(view);
  else if ((key === "Enter" || key === " ") && view.cursor) choose(view, marked(view));
  else if (key === "Delete" || key === "Backspace") send(view, { clear: true });
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function step(view, [down, right], widen) {
  const inside = (value) => Math.min(Math.max(value, 0), view.states - 1);
  if (!view.cursor) view.cursor = [0, 1];
  else {
    view.anchor = widen ? (view.anchor ?? view.cursor) : null;
    view.cursor = [inside(view.cursor[0] + down), inside(view.cursor[1] + right)];
  }
  say(view, marked(view));
  place(view);
}
