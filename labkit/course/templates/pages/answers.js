"use strict";
const find = id => document.getElementById(id), works = [...document.querySelectorAll(".answer")];
const field = work => work.querySelector("input"), place = work => "labkit 2.3 " + location.pathname + " " + work.dataset.file;
const cell = words => '"' + (/^[\s"']*[=+\-@]/.test(words) ? "'" : "") + words.replaceAll('"', '""') + '"';
function kept(work, value) {
  try {
    if (value !== undefined) localStorage.setItem(place(work), value);
    return localStorage.getItem(place(work)) || "";
  } catch { return ""; }
}
function show() {
  for (const work of works) work.hidden = find("open").checked && field(work).value !== "";
  find("count").value = works.filter(work => field(work).value === "").length + " of " + works.length + " without points";
}
for (const work of works) {
  field(work).value = kept(work);
  field(work).addEventListener("change", () => { kept(work, field(work).value); show(); });
}
find("open").addEventListener("input", show);
find("save").addEventListener("click", () => {
  const lines = works.map(work => cell(work.dataset.file) + "," + field(work).value);
  find("save").href = "data:text/csv;charset=utf-8," + encodeURIComponent("\ufefffile,points of 2.3\r\n" + lines.join("\r\n") + "\r\n");
});
document.querySelector(".controls").hidden = false;
show();
