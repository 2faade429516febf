// Everything is drawn as the page opens, so that pictures and prints of it are whole; what lies in a fold again as it is opened.
const plots = [...document.querySelectorAll("[data-figure]")];
const maps = [...document.querySelectorAll("[data-map]")];
const folds = [...document.querySelectorAll("details.fold")];
let width = innerWidth;

plots.forEach(draw);
maps.forEach(startMap);
document.querySelectorAll("[data-filter]").forEach(filterOf);
cues();

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
