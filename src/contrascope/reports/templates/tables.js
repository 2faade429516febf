// Tables that are sorted, cut with a cue, and text that is copied.
function sortValue(text) {
  const found = text.replaceAll(",", "").match(/^[^\w-]*(-?\d+(\.\d+)?(e[+-]?\d+)?)/i);
  return found ? Number(found[1]) : null;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, n) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row, row.cells[n].textContent]);
    rows.sort(([, a], [, b]) => {
      const x = sortValue(a), y = sortValue(b);
      if (x !== null && y !== null) return up ? x - y : y - x;
      if (x !== null || y !== null) return x === null ? 1 : -1;
      return up ? a.localeCompare(b) : b.localeCompare(a);
    });
    body.append(...rows.map(([row]) => row));
  }));
}

// A long table and many rows of pictures show their first ones and say how many there are.
function cut(box, after, all) {
  const button = document.createElement("button");
  const say = () => { button.textContent = box.classList.contains("short") ? `Show all ${all} rows` : "Show fewer rows"; };
  button.type = "button";
  button.className = "more";
  box.classList.add("short");
  button.addEventListener("click", () => { box.classList.toggle("short"); say(); });
  after.after(button);
  say();
}

for (const table of document.querySelectorAll("table[data-cut]")) cut(table, table.parentElement, table.dataset.cut);
for (const strips of document.querySelectorAll(".strips[data-keep]")) {
  [...strips.children].forEach((strip, i) => strip.classList.toggle("later", i >= Number(strips.dataset.keep)));
  cut(strips, strips, strips.children.length);
}

function cues() {
  for (const cue of document.querySelectorAll(".cue")) {
    let box = cue.previousElementSibling;
    while (box && !box.classList.contains("scroll")) box = box.previousElementSibling;
    cue.hidden = !box || box.scrollWidth <= box.clientWidth + 1;
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    const said = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(source.textContent);
      said.textContent = "Copied.";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said.textContent = document.execCommand("copy") ? "Copied." : "Selected: copy it with Ctrl+C.";
    }
  });
}
