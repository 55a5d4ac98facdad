"use strict";
const find = id => document.getElementById(id), works = [...document.querySelectorAll(".answer")];
const points = work => work.querySelector("input"), comment = work => work.querySelector("textarea");
const cell = words => '"' + (/^[\s"']*[=+\-@]/.test(words) ? "'" : "") + words.replaceAll('"', '""') + '"';
// What was typed counts until the file says something else.
const place = (work, field) => ["labkit 2.3", location.pathname, work.dataset.file, field.tagName, field.defaultValue].join(" ");
function kept(work, field, write) {
  try {
    if (write) localStorage.setItem(place(work, field), field.value);
    return localStorage.getItem(place(work, field)) ?? field.defaultValue;
  } catch { return field.defaultValue; }
}
const bad = work => !points(work).validity.valid;
function show() {
  for (const work of works) work.hidden = find("open").checked && points(work).value !== "" && !bad(work);
  const open = works.filter(work => points(work).value === "").length, wrong = works.filter(bad).length;
  find("count").value = open + " of " + works.length + " without points" + (wrong ? ", " + wrong + " with points that cannot be" : "");
}
for (const work of works)
  for (const field of [points(work), comment(work)]) {
    field.value = kept(work, field);
    field.addEventListener("change", () => { kept(work, field, true); show(); });
  }
find("open").addEventListener("input", show);
find("save").addEventListener("click", () => {
  const said = works.filter(work => points(work).value !== "" || comment(work).value.trim() !== "");
  const lines = said.map(work => [cell(work.dataset.file), find("rest").dataset.number, points(work).value, cell(comment(work).value.trim())].join(","));
  const text = [find("head").textContent, ...lines].join("\r\n") + "\r\n" + find("rest").textContent;
  find("save").href = "data:text/csv;charset=utf-8," + encodeURIComponent("\ufeff" + text);
});
document.querySelector(".controls").hidden = false;
show();
