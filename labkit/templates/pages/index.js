"use strict";
const find = id => document.getElementById(id), rows = [...document.querySelectorAll("tbody tr")];
const text = new Map(rows.map(row => [row, row.innerText.normalize("NFC").toLowerCase()]));
function filter() {
  const words = find("find").value.normalize("NFC").toLowerCase(), kind = find("show").value, wrong = find("wrong").value;
  let shown = 0;
  for (const row of rows) {
    const hit = text.get(row).includes(words) && row.dataset.kind.split(" ").includes(kind || "any")
      && (!wrong || row.querySelector(".wrong").innerText.split(" ").includes(wrong));
    row.hidden = !hit;
    shown += hit;
  }
  find("count").value = shown + " shown";
}
function sort(column, head) {
  const down = head.ariaSort === "ascending", sign = down ? -1 : 1;
  const value = row => row.cells[column].innerText.trim();
  const number = head.dataset.number === "1";
  rows.sort((a, b) => sign * (number ? (parseFloat(value(a)) || 0) - (parseFloat(value(b)) || 0) : value(a).localeCompare(value(b))));
  document.querySelectorAll("thead th").forEach(one => one.removeAttribute("aria-sort"));
  head.ariaSort = down ? "descending" : "ascending";
  document.querySelector("tbody").append(...rows);
}
document.querySelectorAll("thead th").forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.dataset.number = rows[0] && rows[0].cells[column].className === "number" ? "1" : "";
  head.replaceChildren(button);
  button.addEventListener("click", () => sort(column, head));
});
for (const id of ["find", "show", "wrong"]) find(id).addEventListener("input", filter);
document.querySelector(".controls").addEventListener("submit", event => event.preventDefault());
document.querySelector(".controls").hidden = false;
filter();
