"use strict";
const inputs = Array.from(document.querySelectorAll("input[data-file]"));
const save = document.getElementById("save");

function quoted(text) {
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

function table() {
  const rows = inputs.map((input) => quoted(input.dataset.file) + "," + quoted(input.value.trim()));
  return ["file,class", ...rows].join("\r\n") + "\r\n";
}

function told() {
  const words = inputs.map((input) => input.value.trim()).filter((word) => word !== "");
  const classes = Array.from(new Set(words)).sort();
  document.getElementById("count").textContent =
    words.length + " of " + inputs.length + " labelled, " + classes.length + (classes.length === 1 ? " class" : " classes");
  document.getElementById("classes").replaceChildren(
    ...classes.map((word) => Object.assign(document.createElement("option"), { value: word })));
}

save.addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv;charset=utf-8" }));
  link.download = save.textContent.replace(/^Save /, "");
  link.click();
  URL.revokeObjectURL(link.href);
});
document.addEventListener("change", told);
told();
