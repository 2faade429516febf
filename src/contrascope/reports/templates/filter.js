// Pictures by class or cluster: rows of the other ones are hidden, and those of the map are shown with their names.
const MOST_CHOSEN = 60;
const STRIPS = "#images .strip";

function filterOf(controls) {
  const strips = [...document.querySelectorAll(STRIPS)];
  const map = Object.values(held.maps)[0];
  const chosen = document.querySelector("[data-role=chosen]");
  const kinds = [["label", "Class"], ["cluster", "Cluster"]];
  const selects = kinds.map(([key, title]) => [key, title, valuesOf(strips, map, key)])
    .filter(([, , values]) => values.length > 1)
    .map(([key, title, values]) => chooser(key, title, values));
  if (!selects.length) return;
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  controls.append(...selects.map((select) => select.parentElement), said);
  controls.hidden = false;
  for (const select of selects) {
    select.addEventListener("change", () => {
      for (const other of selects) if (other !== select) other.value = "";
      const key = select.dataset.key, value = select.value;
      let shown = 0;
      for (const strip of strips) {
        strip.hidden = value !== "" && strip.dataset[key] !== value;
        strip.classList.toggle("asked", value !== "");
        shown += strip.hidden ? 0 : 1;
      }
      said.textContent = value === "" ? "" : `${shown} of ${strips.length} rows are of ${value}.`;
      showChosen(chosen, map, key, value);
    });
  }
}

function valuesOf(strips, map, key) {
  const found = new Set(strips.map((strip) => strip.dataset[key]).filter(Boolean));
  const column = key === "label" ? "label" : "pseudo";
  if (map && map.columns[column]) for (const code of map.columns[column]) if (code !== null) found.add(named(map, column, code));
  return [...found].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

function chooser(key, title, values) {
  const label = document.createElement("label"), select = document.createElement("select");
  select.dataset.key = key;
  select.add(new Option("all", ""));
  for (const value of values) select.add(new Option(value, value));
  label.append(`${title} `, select);
  return select;
}

function showChosen(box, map, key, value) {
  box.hidden = value === "" || !map || !map.columns.tile;
  if (box.hidden) return box.replaceChildren();
  const column = key === "label" ? "label" : "pseudo";
  const found = [...Array(map.count).keys()].filter((i) => named(map, column, map.columns[column][i]) === value);
  const title = document.createElement("h3"), list = document.createElement("ul");
  title.textContent = `${value}: ${Math.min(found.length, MOST_CHOSEN)} of ${found.length} images of the map`;
  list.className = "tiles";
  for (const i of found.slice(0, MOST_CHOSEN)) {
    const item = document.createElement("li"), name = document.createElement("span");
    name.className = "name";
    name.textContent = describe(map, i)[0];
    name.title = name.textContent;
    const picture = card(map, i)[0];
    if (picture.tagName !== "SPAN") continue;
    item.append(picture, name);
    list.append(item);
  }
  return box.replaceChildren(title, list);
}
