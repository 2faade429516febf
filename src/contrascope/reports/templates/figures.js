// Figures: colours by what a curve is of, legends below the plot, all of them drawn as the page opens.
const held = JSON.parse(document.getElementById("data").textContent);
const darkQuery = matchMedia("(prefers-color-scheme: dark)");
const SYMBOLS = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon", "pentagon", "bowtie"];
const CONFIG = { responsive: false, displayModeBar: false, displaylogo: false };
// A role has one hue wherever it stands; the others have hues that no role and no answer has.
const LIGHT = {
  ink: "#1b1f24", line: "#c9ced6", ground: "#f6f7f9", heat: [[246, 247, 249], [11, 92, 173]],
  encoder: ["#0b5cad", "#4d94db", "#08396b"], projector: ["#6a3fb5", "#9a78d6", "#41237a"],
  reference: ["#6b7280", "#9096a1", "#454b55"], pixels: ["#8a5a2b"],
  way: ["#00777d", "#b03a82", "#c25a00", "#34428c", "#5f6b00", "#0b5cad", "#7a3b1d", "#444b55", "#8a2d7c", "#2f7d4f"],
};
const DARK = {
  ink: "#e8eaee", line: "#414955", ground: "#1d2128", heat: [[29, 33, 40], [125, 184, 255]],
  encoder: ["#7db8ff", "#4a8ad6", "#c3deff"], projector: ["#b9a8ff", "#8a74dd", "#ddd5ff"],
  reference: ["#a3abb8", "#7a828f", "#d0d5dd"], pixels: ["#d9a488"],
  way: ["#6fe0e6", "#f09be0", "#ffab5e", "#9fb0ff", "#cdd66a", "#7db8ff", "#d9a488", "#c6ccd6", "#d08bd0", "#8fd6a8"],
};
const drawn = new Map();
let printing = false;

function colours() { return darkQuery.matches && !printing ? DARK : LIGHT; }

function themed(layout) {
  const c = colours();
  const axis = (own) => ({
    gridcolor: c.line, zerolinecolor: c.line, linecolor: c.line, automargin: true, ...own,
    title: { ...own.title, standoff: 8 }, ...(own.ticktext ? { ticktext: own.ticktext.map(wrapped) } : {}),
  });
  return {
    font: { color: c.ink, size: 13, family: getComputedStyle(document.body).fontFamily },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    colorway: c.way, margin: { l: 56, r: 12, t: 8, b: 44 }, showlegend: true,
    legend: { orientation: "h", x: 0, y: 0, xref: "container", yref: "container", yanchor: "bottom", maxheight: 1 },
    hoverlabel: { bgcolor: c.ground, font: { color: c.ink } }, ...layout,
    xaxis: axis({ tickangle: 0, ...layout.xaxis }), yaxis: axis(layout.yaxis),
  };
}

function mixed([from, to], share) {
  return from.map((part, i) => Math.round(part + (to[i] - part) * share));
}

// A table of shares as bars of one length: the small bundle of Plotly knows no heat maps.
function heat(trace) {
  const c = colours();
  return trace.x.map((name, column) => {
    const shares = trace.z.map((row) => row[column]);
    const shade = shares.map((share) => mixed(c.heat, 0.06 + 0.9 * (share ?? 0)));
    return {
      type: "bar", orientation: "h", name, showlegend: false, hoverinfo: "none", base: trace.y.map(() => column),
      x: trace.y.map(() => 0.98), y: trace.y, text: trace.text.map((row) => row[column]), textposition: "inside",
      insidetextanchor: "middle", textangle: 0, constraintext: "none",
      insidetextfont: { color: shade.map(([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000000" : "#ffffff") },
      marker: { color: shade.map((rgb) => `rgb(${rgb})`) },
    };
  });
}

function heatLayout(trace, layout) {
  const places = trace.x.map((_, column) => column + 0.49);
  const xaxis = { ...layout.xaxis, tickvals: places, ticktext: trace.x, range: [0, trace.x.length], showgrid: false, zeroline: false };
  return { ...layout, barmode: "overlay", bargap: 0.04, showlegend: false, xaxis };
}

// Names below bars stand upright, in two lines where they have several words.
function wrapped(name) {
  const words = String(name).split(" "), half = Math.ceil(words.length / 2);
  return words.length < 2 ? name : `${words.slice(0, half).join(" ")}<br>${words.slice(half).join(" ")}`;
}

function coloured(data) {
  const c = colours(), seen = {};
  return data.map((trace) => {
    const own = c[trace.meta], run = /^run (\d+)$/.exec(trace.meta ?? "");
    const place = (seen[trace.meta] = (seen[trace.meta] ?? -1) + 1);
    const color = run ? c.way[run[1] % c.way.length] : own ? own[place % own.length] : undefined;
    const edge = trace.marker?.line ? { line: { ...trace.marker.line, color } } : {};
    const marker = color ? { ...trace.marker, color, ...edge } : trace.marker;
    const line = color && trace.line ? { ...trace.line, color } : trace.line;
    const shown = { ...trace, ...(marker ? { marker } : {}), ...(line ? { line } : {}) };
    if (trace.type === "bar" && typeof trace.x[0] === "string") shown.x = trace.x.map(wrapped);
    for (const axis of ["error_x", "error_y"]) if (trace[axis]) shown[axis] = { ...trace[axis], color: run ? color : c.ink, thickness: 1.5, width: 3 };
    return shown;
  });
}

// The legend stands below the plot, and the figure grows by its height: the plot itself keeps its own. Most legends are one
// line high; a figure with a higher one is drawn again.
const ONE_LINE = 36;

function plot(element, data, layout) {
  element.style.height = "";
  const height = element.clientHeight || 300;
  const wide = printing ? { width: Math.min(element.clientWidth || 660, 660) } : {};
  const attempt = (below) => {
    const margin = { ...layout.margin, b: layout.margin.b + below };
    element.style.height = `${height + below}px`;
    Plotly.react(element, data, { ...layout, ...wide, showlegend: below > 0, height: height + below, margin }, CONFIG);
  };
  const expected = layout.showlegend && data.filter((trace) => trace.showlegend !== false).length > 1 ? ONE_LINE : 0;
  attempt(expected);
  const legend = element.querySelector(".legend");
  const below = expected && legend ? Math.ceil(legend.getBBox().height) + 6 : 0;
  if (below > ONE_LINE + 1) attempt(below);
}

function draw(element) {
  if (drawn.has(element)) return;
  const figure = held.figures[element.dataset.figure];
  const [first] = figure.data;
  const again = () => first.type === "heatmap"
    ? plot(element, heat(first), themed(heatLayout(first, figure.layout)))
    : plot(element, coloured(figure.data), themed(figure.layout));
  drawn.set(element, again);
  again();
}

function redraw() { for (const again of drawn.values()) again(); }

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

