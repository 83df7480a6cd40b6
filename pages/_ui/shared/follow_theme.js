// Reports "light" or "dark" whenever Python has it wrong; Streamlit calls this again on every theme change.

export default function ({ data, parentElement, setStateValue }) {
  const container = parentElement.closest('[data-testid="stElementContainer"]');
  if (container) container.style.display = "none"; // shows nothing, so leaves no gap either
  const probe = document.createElement("span"); // lets the browser parse whatever colour notation the theme uses
  probe.style.color = getComputedStyle(parentElement).getPropertyValue("--st-background-color");
  parentElement.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  const type = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128 ? "dark" : "light";
  if (type !== data.type) setStateValue("type", type);
}
