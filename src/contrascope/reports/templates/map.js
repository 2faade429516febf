// The map: a point an image, with its thumbnail where it is pointed at.
const KEYS = { label: "label", pseudo: "pseudo-class", split: "split", alignment: "alignment (0 to 4)" };

function named(map, key, code) {
  if (code === null || code === undefined) return "unknown";
  if (key === "label" && map.classes[code] !== undefined) return map.classes[code];
  if (key === "split" && map.splits[code] !== undefined) return map.splits[code];
  return `${KEYS[key]} ${code}`;
}

function groups(map, key) {
  const codes = map.columns[key];
  const found = new Map();
  for (let i = 0; i < map.count; i += 1) {
    const code = codes ? codes[i] : 0;
    if (!found.has(code)) found.set(code, []);
    found.get(code).push(i);
  }
  return [...found.entries()].sort((a, b) => (a[0] ?? -1) - (b[0] ?? -1));
}

function traces(map, place, key) {
  const at = map.places[place];
  const base = { type: "scatter", mode: "markers", hoverinfo: "none" };
  const size = map.count > 8000 ? 4 : map.count > 1500 ? 5 : 8;
  const make = (rows, extra) => ({ ...base, x: rows.map((i) => at.x[i]), y: rows.map((i) => at.y[i]), customdata: rows, ...extra });
  if (key === "alignment") {
    const rows = [...Array(map.count).keys()];
    const bar = { title: { text: KEYS.alignment }, thickness: 12 };
    const marker = { size, color: map.columns.alignment, colorscale: "Viridis", showscale: true, colorbar: bar };
    return [make(rows, { marker, name: "images", showlegend: false })];
  }
  return groups(map, key).map(([code, rows], n) => make(rows, {
    name: escaped(named(map, key, code)),
    marker: { size, opacity: 0.8, symbol: SYMBOLS[n % SYMBOLS.length] },
  }));
}

function card(map, i) {
  const parts = [];
  const tile = map.columns.tile ? map.columns.tile[i] : null;
  const sheet = tile === null ? -1 : held.sheets.findIndex((s) => s.first <= tile && tile < s.first + s.count);
  if (sheet >= 0) {
    const picture = document.createElement("span");
    const spot = tile - held.sheets[sheet].first;
    picture.className = `tile sheet-${sheet}`;
    picture.style.setProperty("--column", spot % held.sheets[sheet].columns);
    picture.style.setProperty("--row", Math.floor(spot / held.sheets[sheet].columns));
    parts.push(picture);
  }
  for (const line of describe(map, i)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    parts.push(paragraph);
  }
  return parts;
}

function describe(map, i) {
  const id = map.columns.id ? map.columns.id[i] : i;
  const lines = [map.names ? map.names[i] : `image ${id}`];
  for (const key of ["label", "pseudo", "split", "alignment"]) {
    const column = map.columns[key];
    if (!column || column[i] === null) continue;
    lines.push(key === "alignment" ? `alignment ${column[i]}` : `${KEYS[key]}: ${named(map, key, column[i])}`);
  }
  return lines;
}

function startMap(figure) {
  if (drawn.has(figure)) return;
  const map = held.maps[figure.dataset.map];
  const part = (role) => figure.querySelector(`[data-role=${role}]`);
  const element = figure.querySelector(".plot");
  const [place, colour, hover, picked] = ["place", "colour", "hover", "picked"].map(part);
  for (const name of Object.keys(map.places).reverse()) place.add(new Option(name.toUpperCase(), name));
  for (const key of Object.keys(KEYS)) if (map.columns[key]) colour.add(new Option(KEYS[key], key));
  const again = () => {
    const name = place.value.toUpperCase();
    const title = (n) => ({ title: { text: name === "PCA" ? `PCA ${n} (unit rows)` : `${name} ${n} (no unit)` } });
    const layout = themed({ xaxis: title(1), yaxis: title(2), dragmode: "pan", hovermode: "closest", uirevision: place.value });
    layout.legend = { ...layout.legend, itemsizing: "constant" };
    plot(element, traces(map, place.value, colour.value), layout);
  };
  drawn.set(figure, again);
  again();
  element.on("plotly_hover", (event) => {
    hover.replaceChildren(...card(map, event.points[0].customdata));
    hover.hidden = false;
    const box = element.getBoundingClientRect();
    const x = event.event.clientX - box.left, y = event.event.clientY - box.top;
    hover.style.left = `${Math.max(0, Math.min(x + 14, box.width - hover.offsetWidth))}px`;
    hover.style.top = `${Math.max(0, Math.min(y + 14, box.height - hover.offsetHeight))}px`;
  });
  element.on("plotly_unhover", () => { hover.hidden = true; });
  element.on("plotly_click", (event) => picked.replaceChildren(...card(map, event.points[0].customdata)));
  place.addEventListener("change", again);
  colour.addEventListener("change", again);
  part("pick").max = map.count - 1;
  part("pick").addEventListener("change", (event) => {
    const i = Number(event.target.value);
    if (Number.isInteger(i) && i >= 0 && i < map.count) picked.replaceChildren(...card(map, i));
  });
  part("csv").addEventListener("click", () => save(map));
}

function save(map) {
  const keys = Object.keys(map.columns).filter((key) => key !== "tile");
  const places = Object.keys(map.places).flatMap((name) => [[name, "x"], [name, "y"]]);
  const quoted = (value) => {
    const text = String(value ?? "");
    return `"${(/^[=+@]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const lines = [[...places.map((p) => p.join("_")), ...keys, "class"].join(",")];
  for (let i = 0; i < map.count; i += 1) {
    const numbers = [...places.map(([name, axis]) => map.places[name][axis][i]), ...keys.map((key) => map.columns[key][i] ?? "")];
    lines.push([...numbers, quoted(map.columns.label ? named(map, "label", map.columns.label[i]) : "")].join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n")], { type: "text/csv" }));
  link.download = "map.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
