"use strict";
const find = id => document.getElementById(id), works = [...document.querySelectorAll(".answer")];
const groups = [...document.querySelectorAll(".group")];
const points = work => work.querySelector(".points"), comment = work => work.querySelector("textarea");
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
  for (const group of groups) group.hidden = [...group.querySelectorAll(".answer")].every(work => work.hidden);
  const open = works.filter(work => points(work).value === "").length, wrong = works.filter(bad).length;
  find("count").value = open + " of " + works.length + " without points" + (wrong ? ", " + wrong + " with points that cannot be" : "");
}
for (const work of works)
  for (const field of [points(work), comment(work)]) {
    field.value = kept(work, field);
    field.addEventListener("change", () => { kept(work, field, true); show(); });
  }
// A group's points go to those alone that have none: what was given stays.
for (const group of groups) {
  const field = group.querySelector(".all"), said = group.querySelector("output");
  group.querySelector("button")?.addEventListener("click", () => {
    if (field.value === "" || !field.validity.valid) { said.value = "no such points"; return; }
    const without = [...group.querySelectorAll(".answer")].filter(work => points(work).value === "" && points(work).validity.valid);
    for (const work of without) { points(work).value = field.value; kept(work, points(work), true); }
    said.value = "given to " + without.length;
    show();
  });
}
find("open").addEventListener("input", show);
find("save").addEventListener("click", () => {
  const said = works.filter(work => points(work).value !== "" || comment(work).value.trim() !== "");
  const lines = said.map(work => [cell(work.dataset.file), find("rest").dataset.number, points(work).value, cell(comment(work).value.trim())].join(","));
  const text = [find("head").textContent, ...lines].join("\r\n") + "\r\n" + find("rest").textContent;
  find("save").href = "data:text/csv;charset=utf-8," + encodeURIComponent("\ufeff" + text);
});
for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;
show();
