// Everything that can be seen is drawn before the page has opened, so that pictures and prints of it are whole; what lies in
// a fold right after that, one figure at a time, or as the fold is opened.
const plots = [...document.querySelectorAll("[data-figure]")];
const maps = [...document.querySelectorAll("[data-map]")];
const folds = [...document.querySelectorAll("details.fold")];
let width = innerWidth;

const later = plots.filter((plot) => plot.closest("details.fold:not([open])"));
plots.filter((plot) => !later.includes(plot)).forEach(draw);
maps.forEach(startMap);
document.querySelectorAll("[data-filter]").forEach(filterOf);
cues();

function drawNext() {
  const plot = later.shift();
  if (!plot) return;
  draw(plot);
  setTimeout(drawNext, 0);
}
addEventListener("load", () => setTimeout(drawNext, 0));

darkQuery.addEventListener("change", redraw);
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  redraw();
  cues();
});
for (const details of document.querySelectorAll("details")) {
  details.addEventListener("toggle", () => {
    cues();
    plots.filter((plot) => details.contains(plot)).forEach(draw);
    for (const [element, again] of drawn) {
      const shown = element.querySelector(".main-svg");
      if (details.contains(element) && !printing && shown && Math.abs(shown.clientWidth - element.clientWidth) > 1) again();
    }
  });
}
addEventListener("beforeprint", () => {
  printing = true;
  for (const fold of folds) {
    fold.dataset.was = fold.open;
    fold.open = true;
  }
  plots.forEach(draw);
  redraw();
});
addEventListener("afterprint", () => {
  printing = false;
  for (const fold of folds) fold.open = fold.dataset.was === "true";
  redraw();
});

// A link into a fold opens it.
function unfold() {
  const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (!target) return;
  for (const fold of folds) if (fold.contains(target) || target.contains(fold)) fold.open = true;
}
addEventListener("hashchange", unfold);
unfold();
